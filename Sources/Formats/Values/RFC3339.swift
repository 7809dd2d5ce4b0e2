extension Timestamp {
    /// RFC 3339 in UTC with three digits of fraction, `2026-11-22T06:05:37.619Z`; fractions of a millisecond are cut
    /// off.
    package var rfc3339: String {
        let below = (microseconds % 1000 + 1000) % 1000
        let text = Timestamp(microseconds: microseconds &- below).iso8601(zone: "")
        return text.contains(".") ? "\(text.dropLast(3))Z" : "\(text).000Z"
    }

    /// Reads a date-time of RFC 3339 (section 5.6) with up to nine digits of fraction; `nil` also if its year in UTC is
    /// not from 0 to 9999, as it could not be written again.
    package init?(rfc3339 text: String) {
        guard text.utf8.count <= 40, let time = Timestamp(iso8601: text.uppercased()), Self.writable.contains(time)
        else {
            return nil
        }
        self = time
    }

    private static let writable =
        Timestamp(microseconds: -62_167_219_200_000_000)...Timestamp(microseconds: 253_402_300_799_999_999)
}
