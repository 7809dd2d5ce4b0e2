internal import Encodings
internal import HTTP

extension Attempt {
    /// The response's body as text in UTF-8, for people to read: its coding undone and its charset converted, as far as the
    /// response says what they are. Bytes that are no text in the end stay as they are.
    package var responseText: [UInt8] {
        let type = responseHeader("content-type")
        return ResponseText.utf8(
            responseBody, contentType: type, contentCoding: responseHeader("content-encoding"),
            isTruncated: isResponseTruncated)
    }
}

/// Makes text of what receivers answer (RFC 9110, sections 8.3 and 8.4).
package enum ResponseText {
    /// Of what a coding hides, so much is shown.
    private static let maximumBytes = 16 << 10

    /// - Parameters:
    ///   - contentType: the field Content-Type; its charset may be quoted, or missing.
    ///   - contentCoding: the field Content-Encoding: gzip and deflate are undone.
    ///   - isTruncated: whether the body is only the beginning of one; it may then end within a character.
    /// - Returns: UTF-8, or the bytes as they are where they are no text in any charset that they may be in.
    package static func utf8(
        _ body: [UInt8], contentType: String?, contentCoding: String? = nil, isTruncated: Bool = false
    ) -> [UInt8] {
        var (bytes, isCut) = (body, isTruncated)
        if let coding = contentCoding.flatMap({ Self.coding($0) }) {
            let plain = decompressedPrefix(body, coding, limit: maximumBytes)
            // What is not compressed though it says so is shown as it is.
            if !plain.bytes.isEmpty || body.isEmpty { (bytes, isCut) = (plain.bytes, !plain.isWhole) }
        }
        for charset in charsets(bytes, contentType) {
            if let text = decode(bytes, charset, isCut: isCut) { return text }
        }
        return bytes
    }

    /// The names of old stand for the same (RFC 9110, section 8.4.1.3).
    private static func coding(_ value: String) -> ContentCoding? {
        var name = String(decoding: Array(value.utf8)[...].withoutOuterBlanks, as: UTF8.self).lowercased()
        if name.hasPrefix("x-") { name.removeFirst(2) }
        return ContentCoding(name)
    }

    /// In the order in which they are tried: what a mark at the beginning tells, what the response says, UTF-8, and for texts
    /// the one that was the default before it.
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
        // Some write other quotes than those of the standard, or do not close them.
        let charset = type.parameter("charset").map { $0.filter { $0 != "'" && $0 != "\"" } }
        if let label = charset ?? declared(bytes, type.name) { found.append((label, 0)) }
        found.append(("utf-8", 0))
        let isText =
            type.name.isEmpty || type.isText || type.name.hasSuffix("xml") || type.name.hasSuffix("json")
        if isText { found += [("windows-1252", 0), ("iso-8859-1", 0)] }
        return found
    }

    /// What a page or an XML document says of itself in its first kilobyte.
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
        // No character has more than four bytes.
        for missing in 0...(isCut ? 3 : 0) where missing <= text.count {
            let tail = text.suffix(missing)
            // In UTF-8 what is left of a character shows that it is one (Unicode, table 3-7).
            let isLead = tail.first.map { (0xc2...0xf4).contains($0) } ?? true
            if known == .utf8, !isLead || !tail.dropFirst().allSatisfy({ (0x80...0xbf).contains($0) }) { continue }
            if let decoded = known.decode(Array(text.dropLast(missing))) { return decoded }
        }
        return nil
    }
}
