import Testing

@testable import Postroom

@Suite struct SettingTextTests {
    @Test(
        arguments: [
            ("12", 12), (" +12\n", 12), ("-3", -3), ("1_000", 1000), ("", nil), ("1__0", nil), ("_1", nil), ("1_", nil),
            ("1.0", nil), ("1e3", nil), ("0x10", nil),
            ("+-1", nil), ("1 2", nil), ("99999999999999999999", nil), ("１", nil),
        ] as [(String, Int?)])
    func `an integer is read with its blanks, sign and separators`(text: String, value: Int?) {
        #expect(SettingText.integer(text) == value)
    }

    @Test(
        arguments: [
            ("1.5", 1.5), (" 1e3 ", 1000), ("-0.5", -0.5), ("1_0.5", 10.5), (".5", 0.5), ("1e999", nil), ("inf", nil),
            ("nan", nil), ("0x1p3", nil), ("", nil),
            ("1,5", nil),
        ] as [(String, Double?)])
    func `a number is finite`(text: String, value: Double?) {
        #expect(SettingText.number(text) == value)
    }

    @Test(
        arguments: [
            ("5", 5), ("2k", 2048), (" 3 M ", 3 << 20), ("1g", 1 << 30), ("1_0k", 10240), ("k", nil), ("1kb", nil),
            ("1.5m", nil), ("9223372036854775807k", nil),
        ] as [(String, Int?)])
    func `bytes may have a unit`(text: String, value: Int?) {
        #expect(SettingText.bytes(text) == value)
    }
}

@Suite struct JoinedURLTests {
    @Test(
        arguments: [
            (["http://x", "/api", "/webhook/"], "http://x/api/webhook/"),
            (["http://x/", "/api/", "webhook"], "http://x/api/webhook"),
            (["http://x", "", "/webhook/"], "http://x/webhook/"), (["", "/api", "/webhook/"], "/api/webhook/"),
            ([" http://x ", " ", "y"], "http://x/y"), (["http://x//", "//y"], "http://x///y"), ([], ""),
            (["", ""], ""),
        ])
    func `parts are joined by one slash`(parts: [String], url: String) {
        #expect(joinedURL(parts) == url)
    }
}

@Suite struct GoDurationTests {
    /// Those of Go's own test (time_test.go, parseDurationTests), in microseconds, and some more.
    @Test(
        arguments: [
            ("0", 0), ("5s", 5_000_000), ("30s", 30_000_000), ("1478s", 1_478_000_000), ("-5s", -5_000_000),
            ("+5s", 5_000_000), ("-0", 0), ("+0", 0), ("5.0s", 5_000_000), ("5.6s", 5_600_000), ("5.s", 5_000_000),
            (".5s", 500_000), ("1.0s", 1_000_000), ("1.00s", 1_000_000), ("1.004s", 1_004_000), ("1.0040s", 1_004_000),
            ("100.00100s", 100_001_000), ("10ns", 0), ("11us", 11), ("12\u{b5}s", 12), ("12\u{3bc}s", 12),
            ("13ms", 13_000), ("14s", 14_000_000), ("15m", 900_000_000), ("16h", 57_600_000_000),
            ("3h30m", 12_600_000_000), ("10.5s4m", 250_500_000), ("-2m3.4s", -123_400_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005), ("39h9m14.425s", 140_954_425_000), ("52763797000ns", 52_763_797),
            ("0.3333333333333333333h", 1_200_000_000), ("9007199254740993ns", 9_007_199_254_740),
            ("9223372036854775807ns", 9_223_372_036_854_775), ("9223372036854775.807us", 9_223_372_036_854_775),
            ("9223372036s854ms775us807ns", 9_223_372_036_854_775), ("-9223372036854775808ns", -9_223_372_036_854_775),
            ("-9223372036854775.808us", -9_223_372_036_854_775),
            ("-9223372036s854ms775us808ns", -9_223_372_036_854_775),
            ("-2562047h47m16.854775808s", -9_223_372_036_854_775), ("0.100000000000000000000h", 360_000_000),
            ("0.830103483285477580700h", 2_988_372_539), ("1h15m30.918273645s", 4_530_918_273), ("250ms", 250_000),
            ("1m30s", 90_000_000), ("0s", 0), ("999ns", 0), ("-1.5us", -1), ("1s1s", 2_000_000), ("007s", 7_000_000),
        ] as [(String, Int64)])
    func `a duration is read as Go reads it`(text: String, microseconds: Int64) {
        #expect(GoDuration.parse(text) == microseconds)
    }

    @Test(arguments: [
        "", "3", "-", "s", ".", "-.", ".s", "+.s", "1d", "\u{85}\u{85}", "\u{ffff}", "hello \u{ffff} world",
        "9223372036854775810ns", "9223372036854775808ns", "-9223372036854775809ns", "9223372036854776us",
        "3000000h", "9223372036854775.808us", "9223372036854ms775us808ns", "99999999999999999999999s",
        "9223372036854775808ns9223372036854775808ns", "-9223372036854775808ns9223372036854775808ns", "00", "0.0", "5",
        " 5s", "5s ", "5 s", "5S", "--5s", "5s-5s", "1..5s", "1.5.5s", "5,5s", "1e3s", "1ms2", "５s", "5ns\0", "1_000s",
    ])
    func `another text is no duration`(text: String) {
        #expect(GoDuration.parse(text) == nil)
    }
}
