import Testing

@testable import Values

@Suite struct RFC3339Tests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (999, "1970-01-01T00:00:00.000Z"), (1000, "1970-01-01T00:00:00.001Z"),
            (-1, "1969-12-31T23:59:59.999Z"), (1_795_327_537_619_275, "2026-11-22T06:05:37.619Z"),
        ] as [(Int64, String)])
    func `a time is written with three decimals, rounded down`(microseconds: Int64, text: String) {
        #expect(Timestamp(microseconds: microseconds).rfc3339 == text)
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01t00:00:00.25z", 250_000), ("1970-01-01T01:00:00+01:00", 0),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999_000),
            ("9999-12-31T23:59:59-00:01", nil), ("0000-01-01T00:00:00+00:01", nil), ("9999-12-31T23:59:60Z", nil),
            ("1970-01-01", nil), ("1970-01-01 00:00:00Z", nil), ("1970-02-30T00:00:00Z", nil), ("", nil), ("0", nil),
        ] as [(String, Int64?)])
    func `a time is read with any offset, if it can be written in UTC`(text: String, microseconds: Int64?) {
        #expect(Timestamp(rfc3339: text)?.microseconds == microseconds)
    }
}
