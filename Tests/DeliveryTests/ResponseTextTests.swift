import Encodings
import Testing

@testable import Delivery

@Suite struct ResponseTextTests {
    private static let latin1: [UInt8] = Array("refus".utf8) + [0xe9]
    private static let cyrillic: [UInt8] = [0xcd, 0xe5, 0xf2]
    private static let japanese: [UInt8] = [0x8b, 0x91, 0x94, 0xdb]

    @Test(
        arguments: [
            (latin1, "text/plain; charset=iso-8859-1", "refusé"),
            (latin1, "text/plain;charset=\"ISO-8859-1\"", "refusé"),
            (latin1, "Text/HTML; level=1; Charset='latin1'", "refusé"), (latin1, "text/plain", "refusé"),
            (latin1, nil, "refusé"), (latin1, "text/plain; charset=klingon", "refusé"),
            (latin1, "text/plain; charset=utf-8", "refusé"), (latin1, "text/plain; x=\";charset=utf-16\"", "refusé"),
            ([0x93, 0x6e, 0x6f, 0x94], "text/plain", "“no”"), ([0x81], "text/plain", "\u{81}"),
            (cyrillic, "text/plain; charset=windows-1251", "Нет"), (japanese, "text/plain; charset=Shift_JIS", "拒否"),
            ([0xff, 0xfe, 0x6e, 0, 0x6f, 0], "text/plain", "no"), ([0xfe, 0xff, 0, 0x6e], "application/json", "n"),
            ([0xef, 0xbb, 0xbf, 0x6e], "text/plain; charset=iso-8859-1", "n"),
            ([0x6e, 0, 0x6f, 0], "text/plain;charset=utf-16le", "no"),
            (Array("é".utf8), "text/plain; charset=us-ascii", "é"), (Array("é".utf8), "application/json", "é"),
            (
                Array("<meta charset=\"windows-1251\">".utf8) + cyrillic, "text/html",
                "<meta charset=\"windows-1251\">Нет"
            ),
            (
                Array("<?xml version='1.0' encoding='ISO-8859-1'?>".utf8) + [0xe9], "application/problem+xml",
                "<?xml version='1.0' encoding='ISO-8859-1'?>é"
            ),
            ([], "text/plain", ""),
        ] as [([UInt8], String?, String)])
    func `a response body is decoded with its charset`(body: [UInt8], type: String?, text: String) {
        #expect(ResponseText.utf8(body, contentType: type) == Array(text.utf8))
    }

    @Test func `a body that is not text stays unchanged`() {
        let image: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0xff]
        #expect(ResponseText.utf8(image, contentType: "image/png") == image)
        #expect(ResponseText.utf8([0xff, 0x41], contentType: "image/png", isTruncated: true) == [0xff, 0x41])
    }

    @Test func `a text cut within a character ends before that character`() {
        let cut = Array("é€".utf8.dropLast())
        #expect(ResponseText.utf8(cut, contentType: "text/plain; charset=utf-8", isTruncated: true) == Array("é".utf8))
        #expect(
            ResponseText.utf8([0x8b, 0x91, 0x94], contentType: "text/plain; charset=Shift_JIS", isTruncated: true)
                == Array("拒".utf8))
    }

    /// gzip of "refus\xe9".
    private static let compressed: [UInt8] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 43, 74, 77, 43, 45, 126, 9, 0, 217, 135, 73, 55, 6, 0, 0, 0,
    ]

    @Test(arguments: ["gzip", "x-gzip", " GZIP "])
    func `a compressed body is decompressed`(coding: String) {
        let type = "text/plain; charset=iso-8859-1"
        #expect(ResponseText.utf8(Self.compressed, contentType: type, contentCoding: coding) == Array("refusé".utf8))
        // Of a truncated body, as much as there is.
        let cut = Array(Self.compressed.dropLast(8))
        #expect(
            ResponseText.utf8(cut, contentType: type, contentCoding: coding, isTruncated: true) == Array("refusé".utf8))
    }

    @Test func `a body that is declared as compressed and is not stays unchanged`() {
        #expect(
            ResponseText.utf8(Array("no".utf8), contentType: "text/plain", contentCoding: "gzip") == Array("no".utf8))
    }

    @Test func `the reason for disabling is the decoded response body`() {
        let attempt = Attempt(
            status: 500, responseHeaders: [HeaderField(name: "content-type", value: "text/plain; charset=iso-8859-1")],
            responseBody: Self.latin1, failure: Attempt.Failure(kind: .status, text: ""),
            triggeredAt: .farAhead)
        #expect(attempt.disablingText(.scheduled) == "refusé")
    }
}
