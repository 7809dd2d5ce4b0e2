import Cryptography
import Testing

@testable import Encodings

/// The decoders of East Asian encodings, compared with the algorithms of encoding.spec.whatwg.org in another language.
@Suite struct DecoderDigestTests {
    /// All pairs of bytes, each followed by `A` and a line feed; random bytes; random bytes of those that ISO-2022-JP gives a
    /// meaning; and random sequences like those of four bytes in gb18030.
    private static let bytes: [UInt8] = {
        var bytes: [UInt8] = []
        for first in UInt8.min ... .max { for second in UInt8.min ... .max { bytes += [first, second, 0x41, 0x0a] } }
        var state: UInt32 = 12345
        let random = (0..<200_000).map { _ -> UInt8 in
            state = (state &* 1_103_515_245 &+ 12345) & 0x7fff_ffff
            return UInt8(truncatingIfNeeded: state >> 16)
        }
        let escapes: [UInt8] = [
            0x1b, 0x24, 0x28, 0x42, 0x4a, 0x49, 0x40, 0x22, 0x7e, 0x5c, 0x41, 0x80, 0x0e, 0x30, 0x21, 0x5f,
        ]
        bytes += random + random.map { escapes[Int($0 & 15)] }
        bytes += random.enumerated().map { index, byte in
            index % 2 == 0 ? 0x81 + byte % 0x7e : byte & 64 != 0 ? 0x30 + byte % 10 : byte
        }
        return bytes
    }()

    // SHA-256 of the text in UTF-8, by a program in Python that follows the text of the standard step by step and reads its
    // index files.
    @Test(
        arguments: [
            ("shift_jis", "bd8b79e3f02b91839e9df6b0854ad0d861ae0d19ba2e2f60d7dea6bbb6c973b5"),
            ("euc-jp", "9b3db68ae7c77ad2111f7d047a3f18bc37760997ecc06171e116a8812e17eaf3"),
            ("iso-2022-jp", "136529dd6b5fa3b5e3caabe2bc40f90c1e94ce2969311609857b35202bfa8ca2"),
            ("gb18030", "ff9a139316365f550a81473481b865aa6c63cf05573b5dec58a4973e651b856f"),
            ("big5", "d5e9a9efd10645d23d8cb3b7356a5ae6355b1c14cbc7d7886c46b75f1b7d248e"),
            ("euc-kr", "fd6580b0f6acf04395046a585c257d5a2ba0c951c1e812d740146e7764eef897"),
        ])
    func `valid and invalid bytes become the text that the standard says`(label: String, digest: String) throws {
        let text = try #require(Charset(label: label)).decodeReplacing(Self.bytes).text
        #expect(hexadecimal(DigestAlgorithm.sha256.digest(of: text)) == digest)
    }

    // SHA-256 of a line for each encoding: its name and the characters of its upper bytes, by the standard's index files.
    @Test func `every single-byte encoding has the characters of the standard`() {
        let names = [
            "IBM866", "ISO-8859-10", "ISO-8859-13", "ISO-8859-14", "ISO-8859-15", "ISO-8859-16", "ISO-8859-2",
            "ISO-8859-3", "ISO-8859-4", "ISO-8859-5", "ISO-8859-6", "ISO-8859-7", "ISO-8859-8", "ISO-8859-8-I",
            "KOI8-R", "KOI8-U", "macintosh", "windows-1250", "windows-1251", "windows-1252", "windows-1253",
            "windows-1254", "windows-1255", "windows-1256", "windows-1257", "windows-1258", "windows-874",
            "x-mac-cyrillic",
        ]
        let lines = names.map { name in
            let characters = SingleByteTables.characters(of: name) ?? []
            return "\(name):\(characters.map { String($0, radix: 16) }.joined(separator: ","))\n"
        }
        #expect(
            hexadecimal(DigestAlgorithm.sha256.digest(of: lines.joined().utf8))
                == "53af39e2d29908e48345154f746d8898481c8a56d2fdf622a24ad35079642689")
    }
}
