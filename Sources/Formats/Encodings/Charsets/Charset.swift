/// A character encoding that text is converted from, by its label in a `charset` parameter.
///
/// The encodings of the web are decoded as encoding.spec.whatwg.org says, with one difference: ASCII has no bytes from 0x80
/// on, where the standard takes `us-ascii` for windows-1252. A text of another encoding that is labelled ASCII by mistake is
/// then seen as such. A few encodings that the standard does not have are decoded by the C library (iconv(3)): its
/// converters for rarer ones have had vulnerabilities that untrusted bytes should not reach.
package struct Charset: Hashable, Sendable {
    enum Method: Hashable, Sendable {
        case utf8
        /// By the standard's name.
        case standard(String)
        /// By the C library's name.
        case library(String)
    }

    let method: Method

    package static let utf8 = Charset(method: .utf8)

    /// In bytes. The standard's have 20 at most.
    package static let longestLabel = 40

    private init(method: Method) { self.method = method }

    /// The name of the encoding, which may differ from the label: `ISO-8859-1` is a label of `windows-1252`.
    package var name: String {
        switch method {
        case .utf8: "UTF-8"
        case .standard(let name), .library(let name): name
        }
    }

    /// - Parameter label: a label of the standard, in any letter case, or another name that is known here, with or without
    ///   hyphens and underscores. Empty means UTF-8. One that is longer than `longestLabel` is not known.
    package init?(label: String) {
        // Nearly all labels.
        if label.isEmpty || ["utf-8", "UTF-8"].contains(label) {
            self = .utf8
            return
        }
        guard label.utf8.count <= Self.longestLabel else { return nil }
        let label = String(
            label.lowercased().drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
        let plain = label.filter { $0 != "-" && $0 != "_" && $0 != " " }
        if plain.isEmpty || plain == "u8" {
            self = .utf8
        } else if Self.asciiLabels.contains(plain) {
            self.init(method: .standard(Self.ascii))
        } else if Self.utf16Labels.contains(plain) {
            self.init(method: .standard(Self.utf16))
        } else if let name = CharsetLabels.name(of: label) ?? CharsetLabels.name(ofPlain: plain) {
            self.init(method: name == "UTF-8" ? .utf8 : .standard(name))
        } else if let name = Self.others[plain] {
            self.init(method: CharsetLabels.name(of: name).map(Method.standard) ?? .library(name))
        } else {
            return nil
        }
    }

    /// The encoding that a byte order mark at the beginning of a text shows, and the length of the mark. It has precedence
    /// over a label (section 6.1); `nil` if there is none.
    package static func byteOrderMark(of bytes: some Collection<UInt8>) -> (charset: Charset, byteCount: Int)? {
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { return (.utf8, 3) }
        if bytes.starts(with: [0xfe, 0xff]) { return (Charset(method: .standard("UTF-16BE")), 2) }
        if bytes.starts(with: [0xff, 0xfe]) { return (Charset(method: .standard("UTF-16LE")), 2) }
        return nil
    }

    /// The text in UTF-8, or `nil` if the bytes are not valid in this encoding.
    ///
    /// A byte order mark is kept, except by a label of UTF-16 that leaves the byte order to it.
    package func decode(_ bytes: [UInt8]) -> [UInt8]? {
        guard case .utf8 = method else {
            let decoded = CharsetStream(self)?.decoded(bytes)
            return decoded?.isExact == true ? decoded?.text : nil
        }
        return isUTF8(bytes) ? bytes : nil
    }

    /// The text in UTF-8, with U+FFFD for bytes that are not valid, and whether there are none of these.
    package func decodeReplacing(_ bytes: [UInt8]) -> (text: [UInt8], isExact: Bool) {
        if case .utf8 = method {
            return isUTF8(bytes) ? (bytes, true) : (Array(String(decoding: bytes, as: UTF8.self).utf8), false)
        }
        return CharsetStream(self)?.decoded(bytes) ?? ([], bytes.isEmpty)
    }

    /// Whether bytes that are labelled with this encoding seem to be UTF-8: they are valid UTF-8 and not only ASCII, and
    /// the encoding is one of single bytes, in which such text is not likely.
    package func isProbablyUTF8(_ bytes: [UInt8]) -> Bool {
        guard case .standard(let name) = method, name == Self.ascii || SingleByteTables.characters(of: name) != nil
        else { return false }
        return bytes.contains { $0 >= 0x80 } && isUTF8(bytes)
    }

    static let ascii = "US-ASCII"
    /// UTF-16 whose byte order a mark shows; without a mark, UTF-16LE.
    static let utf16 = "UTF-16"
    private static let utf16Labels: Set<String> = ["utf16", "unicode", "ucs2", "iso10646ucs2", "csunicode"]
    private static let asciiLabels: Set<String> = ["ascii", "usascii", "646", "ansix3.41968"]

    /// Names that the standard does not have: a label of the standard, or the name of the C library's converter.
    private static let others: [String: String] = {
        var names = [
            "iso8859": "latin1", "euccn": "gb2312", "macroman": "macintosh", "cp936": "gbk",
            "cp932": "shift_jis", "cp949": "euc-kr", "latin7": "iso-8859-13", "latin8": "iso-8859-14",
            "latin9": "iso-8859-15", "latin10": "iso-8859-16", "iso885916": "iso-8859-16",
            "utf32": "UTF-32", "utf32le": "UTF-32LE", "utf32be": "UTF-32BE",
        ]
        for page in [437, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 869, 874] {
            names["cp\(page)"] = "CP\(page)"
            names["ibm\(page)"] = "CP\(page)"
        }
        return names
    }()
}

extension Charset {
    /// The decoder of an encoding of the standard, but for UTF-8.
    static func decoder(_ name: String) -> (any ByteDecoder)? {
        switch name {
        case "UTF-16LE", utf16: UTF16Decoder(isBigEndian: false)
        case "UTF-16BE": UTF16Decoder(isBigEndian: true)
        case "GBK", "gb18030": GB18030Decoder()
        case "Big5": Big5Decoder()
        case "EUC-JP": EUCJPDecoder()
        case "ISO-2022-JP": ISO2022JPDecoder()
        case "Shift_JIS": ShiftJISDecoder()
        case "EUC-KR": EUCKRDecoder()
        case "x-user-defined": UserDefinedDecoder()
        case ascii: SingleByteDecoder(characters: [UInt16](repeating: 0xfffd, count: 128))
        default: SingleByteTables.characters(of: name).map { SingleByteDecoder(characters: $0) }
        }
    }
}

/// Whether all of the bytes are well-formed UTF-8 (Unicode, table 3-7).
package func isUTF8(_ bytes: [UInt8]) -> Bool {
    (try? UTF8Span(validating: bytes.span)) != nil
}
