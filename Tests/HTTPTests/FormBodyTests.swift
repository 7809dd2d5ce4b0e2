import Testing

@testable import HTTP

@Suite struct FormBodyTests {
    private static let multipart = "multipart/form-data; boundary=XyZ"

    private func form(_ body: String, _ type: String = multipart) throws -> FormBody {
        try #require(FormBody(Array(body.replacing("\n", with: "\r\n").utf8), MediaType(type)))
    }

    private func texts(_ form: FormBody) -> [String] {
        form.parts.map { "\($0.name)|\($0.filename ?? "-")|\(String(decoding: $0.text.bytes, as: UTF8.self))" }
    }

    @Test func `parts are found with their names, headers, bytes and places`() throws {
        let body = """
            preamble
            --XyZ
            Content-Disposition: form-data; name="a"

            one
            two
            --XyZ
            content-disposition: form-data; name="f"; filename="x.bin"
            Content-Type: text/plain; charset=ISO-8859-1

            \u{1}
            --XyZ--
            epilogue
            """
        let form = try form(body)
        #expect(form.faults.isEmpty)
        #expect(texts(form) == ["a|-|one\r\ntwo", "f|x.bin|\u{1}"])
        #expect(form.parts[1].fields.count == 2 && form.parts[1].charset == "ISO-8859-1")
        let bytes = Array(body.replacing("\n", with: "\r\n").utf8)
        for part in form.parts { #expect(bytes[part.content.startIndex..<part.content.endIndex] == part.content) }
    }

    // What Chrome and Firefox send, curl 7.88 and before 7.81, Internet Explorer, and Python's requests.
    @Test(
        arguments: [
            (#"name="a%22b"; filename="c%0D%0A%41.txt""#, "a\"b", "c\r\n%41.txt"),
            (#"name="a\"b"; filename="c\\d""#, "a\"b", "c\\d"),
            (#"name="a"; filename="C:\dir\x.txt""#, "a", "C:\\dir\\x.txt"),
            ("name=a; filename=b.txt", "a", "b.txt"), (#"name="a;b"; filename=""; x"#, "a;b", ""),
            ("name=\"a\"; filename*=UTF-8''na%C3%AFve.txt; filename=\"x\"", "a", "naïve.txt"),
            ("name=\"a\"; filename*=iso-8859-1'en'%A3", "a", "£"), ("NAME = \"é\"; FILENAME = \"ü\"", "é", "ü"),
            ("name=\"open", "open", nil),
        ] as [(String, String, String?)])
    func `names are read as browsers and curl write them`(disposition: String, name: String, filename: String?) throws {
        let form = try form("--XyZ\nContent-Disposition: form-data; \(disposition)\n\nv\n--XyZ--\n")
        #expect(form.parts.first?.name == name && form.parts.first?.filename == filename)
    }

    @Test(
        arguments: [
            (
                "--XyZ\nContent-Disposition: form-data; name=a\n\nv", ["a|-|v"],
                "The last boundary is missing: the body may be cut off."
            ),
            (
                "--XyZ\nContent-Disposition: form-data; name=a", ["|-|"],
                "Part 1: the empty line after the headers is missing"
            ),
            ("x", [], "The boundary is not in the body."),
            ("--XyZ\nX: y\n\nv\n--XyZ--", ["|-|v"], "Part 1: Content-Disposition is missing"),
            (
                "--XyZ\nContent-Disposition: form-data\n\nv\n--XyZ--", ["|-|v"],
                "Part 1: Content-Disposition has no name"
            ),
            (
                "--XyZ\nno colon\nContent-Disposition: x; name=a\n\nv\n--XyZ--", ["a|-|v"],
                "Part 1: a header is malformed"
            ),
            (
                "--XyZ\nContent-Disposition: x; name=a; filename*=UTF-8'%zz\n\nv\n--XyZ--", ["a|-|v"],
                "Part 1: filename* is malformed"
            ),
        ] as [(String, [String], String)])
    func `what is wrong is reported, and the rest is read`(body: String, parts: [String], fault: String) throws {
        let form = try form(body)
        #expect(texts(form) == parts)
        #expect(form.faults.contains(fault))
    }

    @Test func `an empty body, an empty part and a boundary inside a value are not mistaken`() throws {
        #expect(try form("").parts.isEmpty && form("").faults.isEmpty)
        let form = try form(
            "--XyZ\nContent-Disposition: x; name=a\n\n\n--XyZ \nContent-Disposition: x; name=b\n\n--XyZz\n --XyZ\n--XyZ--\t\n"
        )
        #expect(texts(form) == ["a|-|", "b|-|--XyZz\r\n --XyZ"] && form.faults.isEmpty)
        #expect(try self.form("--XyZ--").parts.isEmpty)
    }

    @Test func `lines may end with LF alone, and the boundary may be missing from the type`() throws {
        let body = Array("--q\nContent-Disposition: form-data; name=a\n\nx\n--q--".utf8)
        let form = try #require(FormBody(body, MediaType("multipart/form-data")))
        #expect(texts(form) == ["a|-|x"])
        #expect(form.faults == ["Content-Type has no boundary; the first line of the body is taken as one."])
        let none = try #require(FormBody(Array("x".utf8), MediaType("multipart/form-data")))
        #expect(none.parts.isEmpty && none.faults.last == "There is no boundary of 1 to 256 bytes.")
    }

    @Test func `a value is text in the charset of its part, of the form, or UTF-8`() throws {
        var body = Array(
            "--q\nContent-Disposition: form-data; name=a\nContent-Type: text/plain; charset=koi8-r\n\n".utf8)
        body += [0xc1] + Array("\n--q\nContent-Disposition: form-data; name=b\n\n".utf8) + [0xe9]
        body += Array("\n--q\nContent-Disposition: form-data; name=_charset_\n\nISO-8859-1\n--q--".utf8)
        let form = try #require(FormBody(body, MediaType("multipart/form-data; boundary=q")))
        #expect(texts(form) == ["a|-|а", "b|-|é", "_charset_|-|ISO-8859-1"])
        let other = try #require(FormBody([0x61, 0x3d, 0xff], MediaType("application/x-www-form-urlencoded")))
        #expect(other.parts[0].text.bytes == Array("\u{fffd}".utf8) && !other.parts[0].text.isExact)
        let labelled = try #require(
            FormBody(Array("a=%E9".utf8), MediaType("application/x-www-form-urlencoded; charset=latin1")))
        #expect(labelled.values(of: "a") == [Array("é".utf8)])
        let unknown = try #require(
            FormBody(Array("a=b".utf8), MediaType("application/x-www-form-urlencoded; charset=banana")))
        #expect(unknown.parts[0].text.bytes == [0x62] && !unknown.parts[0].text.isExact)
    }

    @Test func `forms are bounded`() throws {
        let part = "--XyZ\nContent-Disposition: form-data; name=a\n\nv\n"
        let many = try form(String(repeating: part, count: 1001) + "--XyZ--")
        #expect(many.parts.count == 1000)
        #expect(many.faults == ["There are more than 1000 parts; the others are left out."])
        let long = try form("--XyZ\nX: \(String(repeating: "y", count: 20_000))\n\nv\n--XyZ--")
        #expect(long.faults.first == "Part 1: the headers have more than 16384 bytes")
        let faulty = try form(String(repeating: "--XyZ\n\nv\n", count: 500) + "--XyZ--")
        #expect(faulty.parts.count == 500 && faulty.faults.count == 20)
    }

    @Test(arguments: [nil, "text/plain", "application/json"] as [String?])
    func `another body is not a form`(type: String?) {
        #expect(FormBody([], type.map { MediaType($0) }) == nil)
    }
}
