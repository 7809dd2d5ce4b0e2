internal import Capture
internal import Values

/// An endpoint's number, and the id of one of its confirmations.
struct ConfirmationKey: TableKey, Hashable {
    let endpoint: UInt64
    let id: NameDigest

    init(_ endpoint: UInt64, _ id: NameDigest) {
        self.endpoint = endpoint
        self.id = id
    }

    init(_ endpoint: UInt64, _ id: [UInt8]) { self.init(endpoint, NameDigest(padding: id)) }

    /// The first key that an endpoint can have.
    static func first(of endpoint: UInt64) -> ConfirmationKey { ConfirmationKey(endpoint, []) }

    func write(to writer: inout ByteWriter) {
        writer.fixed(endpoint)
        id.write(to: &writer)
    }

    init?(from reader: inout ByteReader) {
        guard let endpoint = reader.fixed(), let id = NameDigest(from: &reader) else { return nil }
        self.init(endpoint, id)
    }
}

/// A confirmation that is pending, by the time at which its next call may begin.
struct DueConfirmation: TableKey, Hashable {
    let due: Timestamp
    let key: ConfirmationKey

    init(_ due: Timestamp, _ key: ConfirmationKey) {
        self.due = due
        self.key = key
    }

    func write(to writer: inout ByteWriter) {
        writer.sortable(due)
        key.write(to: &writer)
    }

    init?(from reader: inout ByteReader) {
        guard let due = reader.sortableTime(), let key = ConfirmationKey(from: &reader) else { return nil }
        self.init(due, key)
    }
}

/// A confirmation as it is stored under its endpoint's number and its id.
enum ConfirmationRecord: TableRecord {
    static let name = "the record of a confirmation"

    private static let version: UInt8 = 1

    static func encode(_ confirmation: Confirmation) -> [UInt8] {
        var writer = ByteWriter(reserving: confirmation.url.utf8.count + 64)
        writer.byte(version)
        writer.byte(number(of: confirmation.state))
        writer.number(UInt64(confirmation.attempts))
        writer.fixed(confirmation.due.microseconds)
        writer.number(UInt64(confirmation.status ?? 0))
        writer.optional(confirmation.error)
        writer.fixed(confirmation.at.microseconds)
        writer.rest(confirmation.url.utf8)
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at key: ConfirmationKey) -> Confirmation? {
        decode(span).flatMap { ConfirmationKey(key.endpoint, $0.id) == key ? $0 : nil }
    }

    static func decode(_ span: RawSpan) -> Confirmation? {
        var reader = ByteReader(span)
        guard reader.byte() == version, let state = reader.byte().flatMap(state), let attempts = reader.number(),
            attempts < 1 << 32, let due = reader.time(), let status = reader.number(), status < 1000,
            let error = reader.optionalText(), let at = reader.time(),
            let url = String(validating: reader.rest(), as: UTF8.self),
            var confirmation = Confirmation(url: url, at: Moment(wall: at, steady: due))
        else { return nil }
        confirmation.state = state
        confirmation.attempts = Int(attempts)
        confirmation.status = status == 0 ? nil : Int(status)
        confirmation.error = error.value
        return confirmation
    }

    private static func number(of state: Confirmation.State) -> UInt8 {
        switch state {
        case .pending: 1
        case .confirmed: 2
        case .failed: 3
        }
    }

    private static func state(_ number: UInt8) -> Confirmation.State? {
        Confirmation.State.allCases.first { Self.number(of: $0) == number }
    }
}
