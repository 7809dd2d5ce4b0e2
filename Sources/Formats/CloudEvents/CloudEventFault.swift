/// Why something is not a CloudEvent.
package struct CloudEventFault: Error, Equatable, CustomStringConvertible {
    /// The attribute, or the header, at fault; `nil` where it is the data.
    package let place: String?
    /// Without a full stop.
    package let reason: String

    init(_ place: String?, _ reason: String) {
        self.place = place.map(Self.shown)
        self.reason = reason
    }

    /// A sentence.
    package var description: String { place.map { "\($0): \(reason)." } ?? "\(reason)." }

    /// A name that a client chose, short enough to be shown.
    private static func shown(_ name: String) -> String {
        name.unicodeScalars.count > 64 ? "\(String(String.UnicodeScalarView(name.unicodeScalars.prefix(64))))…" : name
    }
}
