import Testing

@testable import Values

@Suite struct TimestampTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (1, "1970-01-01T00:00:00.000001Z"), (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"), (1_795_327_537_619_275, "2026-11-22T06:05:37.619275Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00Z"), (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00Z"),
        ] as [(Int64, String)])
    func `a time is written in ISO 8601, and read back`(microseconds: Int64, text: String) {
        let time = Timestamp(microseconds: microseconds)
        #expect(time.iso8601() == text)
        #expect(Timestamp(iso8601: text) == time)
        #expect(Timestamp(iso8601: time.iso8601(zone: "+00:00")) == time)
    }

    @Test(
        arguments: [
            ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T18:30:00-05:30", 0), ("1970-01-01T00:00:00.5Z", 500_000),
            ("1970-01-01T00:00:00.1234567Z", 123_456), ("1970-01-01T00:00:00.999999999Z", 999_999),
            ("1970-01-01T00:00:60Z", 60_000_000), ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
        ] as [(String, Int64)])
    func `offsets, fractions and leap seconds are read`(text: String, microseconds: Int64) {
        #expect(Timestamp(iso8601: text)?.microseconds == microseconds)
    }

    @Test(
        arguments: [
            "", "2026", "2026-11-22", "2026-11-22T06:05:37", "2026-11-22 06:05:37Z", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z",
            "2026-01-01T00:00:00z", "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+01:00x",
            "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00-01:60",
            "+026-01-01T00:00:00Z", "2026-1-01T00:00:00Z", "２０26-01-01T00:00:00Z", "2026-01-01T00:00:00.١Z",
        ])
    func `a text that is not an ISO 8601 time is refused`(text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }

    @Test(arguments: ["2026-02-29T00:00:00Z", "2026-02-30T00:00:00Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z"])
    func `a day that the month does not have is refused`(text: String) {
        #expect(Timestamp(iso8601: text) == nil)
    }

    @Test(
        arguments: [
            (0, 1.5, 1_500_000), (5, -0.000_001, 4), (.max - 1, 1, .max), (.min, -1, .min), (0, 1e300, .max),
            (0, -1e300, .min), (.min, 1e13, 776_627_963_145_224_192),
        ] as [(Int64, Double, Int64)])
    func `adding seconds stops at the ends of the range`(start: Int64, seconds: Double, end: Int64) {
        #expect(Timestamp(microseconds: start).adding(seconds: seconds).microseconds == end)
    }

    @Test(
        arguments: [
            (1_500_000, 0, 1.5), (0, 1, -0.000_001), (.max, .min, 18_446_744_073_709.55),
            (.min, .max, -18_446_744_073_709.55),
        ] as [(Int64, Int64, Double)])
    func `the difference of two times does not overflow, however far apart they are`(
        later: Int64, earlier: Int64, seconds: Double
    ) {
        let found = Timestamp(microseconds: later).seconds(since: Timestamp(microseconds: earlier))
        #expect(abs(found - seconds) <= abs(seconds) * 1e-12)
    }

    @Test func `a time of the steady clock is converted to a time of day`() {
        let moment = Moment(wall: Timestamp(microseconds: 1_000_000), steady: Timestamp(microseconds: 50))
        #expect(moment.wall(at: Timestamp(microseconds: 20)) == Timestamp(microseconds: 999_970))
        #expect(moment.wall(at: moment.steady) == moment.wall)
    }
}
