internal import Encodings
internal import HTTP

extension Attempt {
    /// The response's body as UTF-8 text, for people to read: decompressed and converted as far as the response declares its
    /// coding and charset. Bytes that turn out not to be text are returned as they are.
    package var responseText: [UInt8] {
        let type = responseHeader("content-type")
        return ResponseText.utf8(
            responseBody, contentType: type, contentCoding: responseHeader("content-encoding"),
            isTruncated: isResponseTruncated)
    }
}

/// Converts the bodies of receivers' responses to text (RFC 9110, sections 8.3 and 8.4).
package enum ResponseText {
    /// At most this many decompressed bytes are shown.
    private static let maximumBytes = 16 << 10

    /// - Parameters:
    ///   - contentType: the field Content-Type; its charset may be quoted, or missing.
    ///   - contentCoding: the field Content-Encoding: gzip and deflate are undone.
    ///   - isTruncated: whether the body is only the beginning of one; it may then end within a character.
    /// - Returns: UTF-8, or the bytes as they are if they are not text in any charset that they may be in.
    package static func utf8(
        _ body: [UInt8], contentType: String?, contentCoding: String? = nil, isTruncated: Bool = false
    ) -> [UInt8] {
        var (bytes, isCut) = (body, isTruncated)
        if let coding = contentCoding.flatMap({ Self.coding($0) }) {
            let plain = decompressedPrefix(body, coding, limit: maximumBytes)
            // A body that is not compressed although Content-Encoding says so is shown as it is.
            if !plain.bytes.isEmpty || body.isEmpty { (bytes, isCut) = (plain.bytes, !plain.isWhole) }
        }
        for charset in charsets(bytes, contentType) {
            if let text = decode(bytes, charset, isCut: isCut) { return text }
        }
        return bytes
    }

    /// Reads the name of a coding; the old names `x-…` are accepted too (RFC 9110, section 8.4.1.3).
    private static func coding(_ value: String) -> ContentCoding? {
        var name = String(decoding: Array(value.utf8)[...].withoutOuterBlanks, as: UTF8.self).lowercased()
        if name.hasPrefix("x-") { name.removeFirst(2) }
        return ContentCoding(name)
    }

    /// The charsets to try, in this order: that of a byte order mark, the one that the response declares, UTF-8, and for
    /// text the two that were the default before UTF-8.
    private static func charsets(_ bytes: [UInt8], _ contentType: String?) -> [(label: String, skipping: Int)] {
        let marks: [(mark: [UInt8], label: String)] = [
            ([0, 0, 0xfe, 0xff], "utf-32be"), ([0xff, 0xfe, 0, 0], "utf-32le"),
            ([0xef, 0xbb, 0xbf], "utf-8"), ([0xfe, 0xff], "utf-16be"), ([0xff, 0xfe], "utf-16le"),
        ]
        var found: [(label: String, skipping: Int)] = []
        if let known = marks.first(where: { bytes.starts(with: $0.mark) }) {
            found.append((known.label, known.mark.count))
        }
        let type = MediaType(contentType ?? "")
        // Some senders use other quotes than those of the standard, or do not close them.
        let charset = type.parameter("charset").map { $0.filter { $0 != "'" && $0 != "\"" } }
        if let label = charset ?? declared(bytes, type.name) { found.append((label, 0)) }
        found.append(("utf-8", 0))
        let isText =
            type.name.isEmpty || type.isText || type.name.hasSuffix("xml") || type.name.hasSuffix("json")
        if isText { found += [("windows-1252", 0), ("iso-8859-1", 0)] }
        return found
    }

    /// The charset that an HTML page or an XML document declares in its first kilobyte.
    private static func declared(_ bytes: [UInt8], _ type: String) -> String? {
        guard type.hasSuffix("html") || type.hasSuffix("xml") else { return nil }
        let head = String(
            decoding: bytes.prefix(1024).map { $0 < 0x80 ? $0 | ($0 > 0x40 && $0 < 0x5b ? 0x20 : 0) : 0x3f },
            as: UTF8.self)
        for name in ["charset=", "encoding="] {
            guard let place = head.firstRange(of: name) else { continue }
            let label = head[place.upperBound...].drop { "\"' ".contains($0) }.prefix {
                $0.isLetter || $0.isNumber || "-_:".contains($0)
            }
            if !label.isEmpty { return String(label) }
        }
        return nil
    }

    private static func decode(
        _ bytes: [UInt8], _ charset: (label: String, skipping: Int), isCut: Bool
    ) -> [UInt8]? {
        guard let known = Charset(label: charset.label) else { return nil }
        let text = bytes.dropFirst(charset.skipping)
        // A character has at most four bytes.
        for missing in 0...(isCut ? 3 : 0) where missing <= text.count {
            let tail = text.suffix(missing)
            // In UTF-8 the bytes of an incomplete character can be recognized (Unicode, table 3-7).
            let isLead = tail.first.map { (0xc2...0xf4).contains($0) } ?? true
            if known == .utf8, !isLead || !tail.dropFirst().allSatisfy({ (0x80...0xbf).contains($0) }) { continue }
            if let decoded = known.decode(Array(text.dropLast(missing))) { return decoded }
        }
        return nil
    }
}
