internal import Glibc

/// A character encoding that text is converted from, by its label in a `charset` parameter.
///
/// The C library does the conversion (iconv(3)), for the encodings below only: its converters for rarer ones have had
/// vulnerabilities that untrusted bytes should not reach.
package struct Charset: Hashable, Sendable {
    let converter: String?

    package static let utf8 = Charset(converter: nil)

    private init(converter: String?) { self.converter = converter }

    /// - Parameter label: in any letter case, with or without hyphens and underscores. Empty means UTF-8.
    package init?(label: String) {
        let plain = label.lowercased().filter { $0 != "-" && $0 != "_" && $0 != " " }
        if plain.isEmpty || plain == "utf8" || plain == "u8" {
            self = .utf8
        } else if let converter = Self.converters[plain] {
            self.init(converter: converter)
        } else {
            return nil
        }
    }

    /// The text in UTF-8, or `nil` if the bytes are not valid in this encoding.
    package func decode(_ bytes: [UInt8]) -> [UInt8]? {
        guard let converter else {
            return isUTF8(bytes) ? bytes : nil
        }
        let handle = unsafe iconv_open("UTF-8", converter)
        guard Int(bitPattern: handle) != -1 else { return nil }
        defer { unsafe iconv_close(handle) }

        // No encoding below needs more than four bytes of UTF-8 for one byte of its own.
        var source = bytes.map { CChar(bitPattern: $0) }
        var target = [CChar](repeating: 0, count: bytes.count * 4 + 16)
        let written: Int? = unsafe source.withUnsafeMutableBufferPointer { source in
            unsafe target.withUnsafeMutableBufferPointer { target in
                var from = source.baseAddress
                var fromLeft = source.count
                var to = target.baseAddress
                var toLeft = target.count
                guard unsafe iconv(handle, &from, &fromLeft, &to, &toLeft) != -1, fromLeft == 0,
                    unsafe iconv(handle, nil, nil, &to, &toLeft) != -1
                else { return nil }
                return target.count - toLeft
            }
        }
        return written.map { target[..<$0].map { UInt8(bitPattern: $0) } }
    }

    private static let converters: [String: String] = {
        var names = [
            "ascii": "US-ASCII", "usascii": "US-ASCII", "646": "US-ASCII",
            "latin1": "ISO-8859-1", "l1": "ISO-8859-1", "iso8859": "ISO-8859-1", "latin2": "ISO-8859-2",
            "latin3": "ISO-8859-3", "latin4": "ISO-8859-4", "latin5": "ISO-8859-9", "latin6": "ISO-8859-10",
            "latin9": "ISO-8859-15", "cyrillic": "ISO-8859-5", "greek": "ISO-8859-7",
            "utf16": "UTF-16", "utf16le": "UTF-16LE", "utf16be": "UTF-16BE",
            "utf32": "UTF-32", "utf32le": "UTF-32LE", "utf32be": "UTF-32BE",
            "koi8r": "KOI8-R", "koi8u": "KOI8-U", "macroman": "MACINTOSH", "macintosh": "MACINTOSH",
            "shiftjis": "SHIFT_JIS", "sjis": "SHIFT_JIS", "cp932": "CP932", "windows31j": "CP932",
            "eucjp": "EUC-JP", "iso2022jp": "ISO-2022-JP", "gb2312": "GB2312", "euccn": "GB2312", "gbk": "GBK",
            "cp936": "GBK", "gb18030": "GB18030", "big5": "BIG5", "euckr": "EUC-KR", "cp949": "CP949",
            "tis620": "TIS-620",
        ]
        for part in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16] { names["iso8859\(part)"] = "ISO-8859-\(part)" }
        for page in [437, 737, 775, 850, 852, 855, 857, 858, 860, 861, 862, 863, 864, 865, 866, 869, 874] {
            names["cp\(page)"] = "CP\(page)"
            names["ibm\(page)"] = "CP\(page)"
        }
        for page in 1250...1258 {
            names["windows\(page)"] = "CP\(page)"
            names["cp\(page)"] = "CP\(page)"
        }
        return names
    }()
}

/// Whether all of the bytes are well-formed UTF-8 (Unicode, table 3-7).
package func isUTF8(_ bytes: [UInt8]) -> Bool {
    (try? UTF8Span(validating: bytes.span)) != nil
}
