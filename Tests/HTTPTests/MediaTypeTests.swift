import HTTP
import Testing

@Suite struct MediaTypeTests {
    @Test(arguments: [
        ("Text/HTML; charset=x", "text/html"), ("application/json", "application/json"), (" a / b \t;x", "a/b"),
        ("", ""), (";charset=x", ""), ("\"a;b\"", "\"a"),
    ])
    func `the name is in lower case, without spaces and parameters`(text: String, name: String) {
        #expect(MediaType(text).name == name)
    }

    @Test(arguments: [
        ("application/json", true), ("text/JSON; charset=x", true), ("a/b+json", true), ("application/jsonx", false),
        ("text/plain", false), ("application/xml;x=/json", false),
    ])
    func `a type with subtype json or suffix +json is JSON`(text: String, isJSON: Bool) {
        #expect(MediaType(text).isJSON == isJSON)
    }

    @Test(arguments: [
        ("application/x-www-form-urlencoded", true), ("Multipart/form-data; boundary=x", true), ("text/plain", false),
    ])
    func `URL-encoded and multipart types are forms`(text: String, isForm: Bool) {
        #expect(MediaType(text).isForm == isForm)
    }

    @Test(
        arguments: [
            ("text/plain", nil), ("", nil), ("text/plain; charset=utf-8", "utf-8"),
            ("text/plain;charset=\"utf-8\"", "utf-8"),
            ("text/plain; a=b ; Charset = \t x ", "x"), ("charset=utf-8", nil),
            ("x; a=\"; charset=no\"; charset=yes", "yes"),
            ("x; charset=", ""), ("x; charset=\"\"", ""), ("x; charset=a; charset=b", "a"), ("x; charset", nil),
            ("x; charset=\"a\\\"b\"", "a\"b"), ("x; charset=\"unclosed", "\"unclosed"), ("x; a=\"\\", nil),
            ("x;;charset=y", "y"),
        ] as [(String, String?)])
    func `the first parameter of a name is found, and unquoted`(text: String, value: String?) {
        #expect(MediaType(text).parameter("charset") == value)
    }

    @Test(arguments: [
        ("a/b", true), (" a / b ;c", true), ("a", false), ("a/", false), ("a/b/c", false), ("a/b c", false),
        ("a/b?", false), ("", false),
    ])
    func `a media type needs a type and a subtype`(text: String, isWellFormed: Bool) {
        #expect(MediaType.isWellFormed(text) == isWellFormed)
    }
}
