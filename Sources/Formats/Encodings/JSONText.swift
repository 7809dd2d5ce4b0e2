/// A JSON text in UTF-8, UTF-16 or UTF-32, converted to UTF-8; `nil` if it is in none of these. Whether the text is JSON
/// is not checked.
///
/// The encoding is detected by a byte order mark, which is removed, or else by the positions of zeros among the first
/// four bytes: a JSON text begins with an ASCII character, and mostly with two (RFC 4627, section 3). Python's
/// `json.loads` chooses in the same way, but accepts half a surrogate pair.
package func jsonText(_ bytes: [UInt8]) -> [UInt8]? {
    let encoding = jsonEncoding(of: bytes)
    return Charset(label: encoding.label)?.decode(Array(bytes.dropFirst(encoding.markBytes)))
}

private func jsonEncoding(of bytes: [UInt8]) -> (label: String, markBytes: Int) {
    // UTF-32LE comes first, as its mark begins with that of UTF-16LE.
    let marks: [(mark: [UInt8], label: String)] = [
        ([0, 0, 0xfe, 0xff], "utf-32be"), ([0xff, 0xfe, 0, 0], "utf-32le"),
        ([0xfe, 0xff], "utf-16be"), ([0xff, 0xfe], "utf-16le"), ([0xef, 0xbb, 0xbf], "utf-8"),
    ]
    if let known = marks.first(where: { bytes.starts(with: $0.mark) }) { return (known.label, known.mark.count) }
    let zeros = bytes.prefix(4).map { $0 == 0 }
    // In UTF-16, the second character may have no zero byte.
    switch zeros.count {
    case 4 where zeros[0]: return (zeros[1] ? "utf-32be" : "utf-16be", 0)
    case 4 where zeros[1]: return (zeros[2] && zeros[3] ? "utf-32le" : "utf-16le", 0)
    case 2 where zeros[0]: return ("utf-16be", 0)
    case 2 where zeros[1]: return ("utf-16le", 0)
    default: return ("utf-8", 0)
    }
}
