internal import Values

/// Why something is not a CloudEvent.
package struct CloudEventFault: Error, Equatable, CustomStringConvertible {
    /// The attribute, or the header, at fault; `nil` where it is the data.
    package let place: String?
    /// Without a full stop.
    package let reason: String

    init(_ place: String?, _ reason: String) {
        self.place = place?.shortened(to: 64)
        self.reason = reason
    }

    /// A sentence.
    package var description: String { place.map { "\($0): \(reason)." } ?? "\(reason)." }
}
