import CCurl
import Delivery
import Linux
import Testing
import Values

@Suite struct TargetURLTests {
    @Test(
        arguments: [
            ("http://example.com", .http, "example.com", 80), ("https://example.com/", .https, "example.com", 443),
            ("HTTPS://Example.COM:8443/A?b=C", .https, "example.com", 8443), ("http://a", .http, "a", 80),
            ("http://a.?x", .http, "a.", 80), ("http://a_b-c.d:1", .http, "a_b-c.d", 1),
            ("http://xn--bcher-kva.example:65535/%7e/@:[]\\\"{}", .http, "xn--bcher-kva.example", 65535),
            ("http://a/?u=http://b@c/", .http, "a", 80), ("http://1a.0xg", .http, "1a.0xg", 80),
            ("http://a:0080/", .http, "a", 80), ("http://1.2.3.4.example", .http, "1.2.3.4.example", 80),
        ] as [(String, TargetURL.Scheme, String, Int)])
    func `a URL has a scheme, a host and a port`(text: String, scheme: TargetURL.Scheme, host: String, port: Int) throws
    {
        let url = try TargetURL(text)
        #expect(url.scheme == scheme && url.host == host && url.port == port && url.text == text)
        #expect(url.address == nil)
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("2130706433", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"),
        ("0X7F.0.0.1", "127.0.0.1"), ("127.1", "127.0.0.1"), ("127.0.1", "127.0.0.1"), ("017700000001", "127.0.0.1"),
        ("0", "0.0.0.0"), ("0x7f000001", "127.0.0.1"), ("8.8.8.8", "8.8.8.8"), ("[::1]", "::1"), ("[::]", "::"),
        ("[0:0:0:0:0:0:0:1]", "::1"), ("[::ffff:127.0.0.1]", "127.0.0.1"), ("[::FFFF:7F00:1]", "127.0.0.1"),
        ("[fe80::1%25eth0]", "fe80::1"), ("[fe80::1%eth0]", "fe80::1"), ("[64:ff9b::7f00:1]", "64:ff9b::7f00:1"),
        ("[2606:4700::1111]", "2606:4700::1111"),
    ])
    func `a host that is an address is read as the C library reads it`(host: String, address: String) throws {
        for text in ["http://\(host)", "http://\(host)/a", "http://\(host):81?b"] {
            #expect(try TargetURL(text).address?.description == address)
        }
    }

    @Test(arguments: [
        ("", "the URL is empty"),
        ("example.com", "the URL must begin with http:// or https://"),
        ("ftp://example.com", "the URL must begin with http:// or https://"),
        ("http:/example.com", "the URL must begin with http:// or https://"),
        ("http:\\\\example.com", "the URL must begin with http:// or https://"),
        ("//example.com", "the URL must begin with http:// or https://"),
        ("file:///etc/passwd", "the URL must begin with http:// or https://"),
        (" http://a", "the URL has a blank at character 1"),
        ("http://a/b c", "the URL has a blank at character 11"),
        ("http://a\tb", "the URL has a control character at character 9"),
        ("http://a/\r\nX: y", "the URL has a control character at character 10"),
        ("http://a/\0", "the URL has a control character at character 10"),
        ("http://a/\u{7f}", "the URL has a control character at character 10"),
        (
            "http://bücher.example",
            "the URL has a character that is not ASCII (write it as %XX, in the host name as xn--…) at character 9"
        ),
        ("http://", "the URL has no host at character 8"), ("http:///path", "the URL has no host at character 8"),
        ("http://?a", "the URL has no host at character 8"), ("http://:80", "the URL has no host at character 8"),
        ("http://user@a", "the URL must not have a user name or password, but has an @ at character 12"),
        ("http://u:p@127.0.0.1", "the URL must not have a user name or password, but has an @ at character 11"),
        ("http://@a", "the URL must not have a user name or password, but has an @ at character 8"),
        (
            "http://good.example\\@evil.example",
            "the URL must not have a user name or password, but has an @ at character 21"
        ),
        ("http://good.example#@evil.example", "the URL must not have a fragment, but has a # at character 20"),
        ("http://a/#b", "the URL must not have a fragment, but has a # at character 10"),
        ("http://a\\b", "the host name has an invalid character, \\, at character 9"),
        ("http://%31%32%37.1", "the host name has an invalid character, %, at character 8"),
        ("http://a,b", "the host name has an invalid character, ,, at character 9"),
        ("http://a..b", "the host name has an empty label at character 10"),
        ("http://.a", "the host name has an empty label at character 8"),
        ("http://.", "the host name has an empty label at character 8"),
        ("http://127.0.0.1.", "the host name ends in a number but is not an IPv4 address at character 8"),
        ("http://1.2.3.4.5", "the host name ends in a number but is not an IPv4 address at character 8"),
        ("http://256.0.0.1", "the host name ends in a number but is not an IPv4 address at character 8"),
        ("http://127.0.0.08", "the host name ends in a number but is not an IPv4 address at character 8"),
        ("http://4294967296", "the host name ends in a number but is not an IPv4 address at character 8"),
        ("http://a.0x", "the host name ends in a number but is not an IPv4 address at character 8"),
        ("http://a.7", "the host name ends in a number but is not an IPv4 address at character 8"),
        ("http://[::1", "the host has a [ without a ] at character 8"),
        ("http://[]", "the host in brackets is not an IPv6 address at character 8"),
        ("http://[127.0.0.1]", "the host in brackets is not an IPv6 address at character 8"),
        ("http://[v1.a]", "the host in brackets is not an IPv6 address at character 8"),
        ("http://[fe80::1%]", "the host in brackets is not an IPv6 address at character 8"),
        ("http://[fe80::1%25]", "the host in brackets is not an IPv6 address at character 8"),
        ("http://[fe80::1%a/b]", "the host has a [ without a ] at character 8"),
        ("http://[::1]80", "the URL has an unexpected character after the ] at character 13"),
        ("http://[::1].a", "the URL has an unexpected character after the ] at character 13"),
        ("http://::1", "the URL has no host at character 8"),
        ("http://a:", "the URL has no port after the colon at character 9"),
        ("http://a:/", "the URL has no port after the colon at character 9"),
        ("http://a:b", "the port is not a number at character 10"),
        ("http://a:8o", "the port is not a number at character 11"),
        ("http://a:80:90", "the port is not a number at character 12"),
        ("http://a:-1", "the port is not a number at character 10"),
        ("http://a:0", "the port is not between 1 and 65535 at character 10"),
        ("http://a:65536", "the port is not between 1 and 65535 at character 10"),
        ("http://a:18446744073709551696", "the port is not between 1 and 65535 at character 10"),
    ])
    func `an invalid URL is refused with the reason and the position`(text: String, problem: String) {
        let error = #expect(throws: TargetURL.Problem.self) { try TargetURL(text) }
        #expect(error?.description == problem)
    }

    @Test func `URLs, host names and their labels have a maximum length`() throws {
        let label = String(repeating: "a", count: 63)
        let name = [label, label, label, String(repeating: "a", count: 61)].joined(separator: ".")
        #expect(try TargetURL("http://\(name)").host == name)
        #expect(try TargetURL("http://\(name).").host == name + ".")
        #expect(throws: TargetURL.Problem.self) { try TargetURL("http://\(name)a") }
        #expect(throws: TargetURL.Problem.self) { try TargetURL("http://\(label)a") }
        let start = "http://a/"
        let path = String(repeating: "b", count: TargetURL.maximumBytes - start.utf8.count)
        #expect(try TargetURL(start + path).text.utf8.count == TargetURL.maximumBytes)
        #expect(throws: TargetURL.Problem.self) { try TargetURL(start + path + "b") }
    }

    @Test func `TLS can be required`() throws {
        #expect(try TargetURL("Https://a", httpsOnly: true).port == 443)
        let error = #expect(throws: TargetURL.Problem.self) { try TargetURL("http://a", httpsOnly: true) }
        #expect(error?.description == "the URL must begin with https://")
    }

    /// How libcurl, which makes the requests, reads a URL.
    private func curlParts(_ text: String) -> (scheme: String, host: String, port: String)? {
        guard let handle = unsafe curl_url() else { return nil }
        defer { unsafe curl_url_cleanup(handle) }
        guard unsafe curl_url_set(handle, CURLUPART_URL, text, UInt32(CURLU_PATH_AS_IS)) == CURLUE_OK else {
            return nil
        }
        func part(_ which: CURLUPart) -> String {
            var value: UnsafeMutablePointer<CChar>?
            guard unsafe curl_url_get(handle, which, &value, UInt32(CURLU_DEFAULT_PORT)) == CURLUE_OK else { return "" }
            defer { unsafe curl_free(value) }
            return unsafe value.map { unsafe String(cString: $0) } ?? ""
        }
        return (part(CURLUPART_SCHEME), part(CURLUPART_HOST), part(CURLUPART_PORT))
    }

    @Test func `libcurl reads the same host in every accepted URL`() throws {
        let pieces = [
            "/", "//", "\\", "@", ":", "[", "]", "%", "?", "#", ".", "0", "1", "127", "0x7f", "0177", "255", "256", "a",
            "b.example", "::1", "::ffff:7f00:1", "%25", "eth0", ":80", ":65535", "-", "_", "xn--", "[::1]", "fe80::1",
            "127.0.0.1", "[fe80::1%25lo]", "0X", "f", "2130706433",
        ]
        var generator = Generator()
        var accepted = 0
        for _ in 0..<100_000 {
            let count = Int.random(in: 1...6, using: &generator)
            let scheme = ["http://", "https://", "HTTP://"].randomElement(using: &generator) ?? ""
            let text = scheme + (0..<count).map { _ in pieces.randomElement(using: &generator) ?? "" }.joined()
            guard let url = try? TargetURL(text) else { continue }
            accepted += 1
            let curl = try #require(curlParts(text), "\(text)")
            #expect(curl.scheme == url.scheme.rawValue && curl.port == "\(url.port)", "\(text)")
            if let address = url.address {
                let host = curl.host.drop { $0 == "[" }.prefix { $0 != "]" && $0 != "%" }
                #expect(IPAddress(String(host)) == address, "\(text) \(curl.host)")
            } else {
                #expect(curl.host.lowercased() == url.host, "\(text)")
            }
        }
        #expect(accepted > 5000)
    }

    /// The same numbers each time (xorshift64*).
    private struct Generator: RandomNumberGenerator {
        private var state: UInt64 = 0x9e37_79b9_7f4a_7c15

        mutating func next() -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return state &* 0x2545_f491_4f6c_dd1d
        }
    }
}
