internal import Values

/// Why something is not a CloudEvent.
package struct CloudEventFault: Error, Equatable, CustomStringConvertible {
    /// The attribute or header at fault; `nil` if the data is at fault.
    package let path: String?
    /// Without a full stop.
    package let reason: String

    init(_ path: String?, _ reason: String) {
        self.path = path?.shortened(to: 64)
        self.reason = reason
    }

    /// A sentence.
    package var description: String { path.map { "\($0): \(reason)." } ?? "\(reason)." }
}
