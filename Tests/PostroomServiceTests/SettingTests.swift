import Testing

@testable import PostroomService

@Suite struct SettingTextTests {
    @Test(
        arguments: [
            ("12", 12), (" +12\n", 12), ("-3", -3), ("1_000", 1000), ("", nil), ("1__0", nil), ("_1", nil), ("1_", nil),
            ("1.0", nil), ("1e3", nil), ("0x10", nil),
            ("+-1", nil), ("1 2", nil), ("99999999999999999999", nil), ("１", nil),
        ] as [(String, Int?)])
    func `an integer may have spaces around it, a sign and separators`(text: String, value: Int?) {
        #expect(SettingText.integer(text) == value)
    }

    @Test(
        arguments: [
            ("1.5", 1.5), (" 1e3 ", 1000), ("-0.5", -0.5), ("1_0.5", 10.5), (".5", 0.5), ("1e999", nil), ("inf", nil),
            ("nan", nil), ("0x1p3", nil), ("", nil),
            ("1,5", nil),
        ] as [(String, Double?)])
    func `a number must be finite`(text: String, value: Double?) {
        #expect(SettingText.number(text) == value)
    }

    @Test(
        arguments: [
            ("5", 5), ("2k", 2048), (" 3 M ", 3 << 20), ("1g", 1 << 30), ("1_0k", 10240), ("k", nil), ("1kb", nil),
            ("1.5m", nil), ("9223372036854775807k", nil),
        ] as [(String, Int?)])
    func `a number of bytes may have a unit`(text: String, value: Int?) {
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
