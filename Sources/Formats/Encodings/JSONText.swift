/// The UTF-8 text of a JSON text in UTF-8, UTF-16 or UTF-32, or `nil` where it is in none of them; whether it is JSON is
/// left open.
///
/// The encoding is told by a byte order mark, which goes, or else by where zeros stand among the first four bytes: a
/// JSON text begins with an ASCII character, and mostly with two (RFC 4627, section 3). Python's `json.loads` chooses
/// alike, but lets half a surrogate pair pass.
package func jsonText(_ bytes: [UInt8]) -> [UInt8]? {
    let encoding = jsonEncoding(of: bytes)
    return Charset(label: encoding.label)?.decode(Array(bytes.dropFirst(encoding.markBytes)))
}

private func jsonEncoding(of bytes: [UInt8]) -> (label: String, markBytes: Int) {
    // The mark of UTF-32LE begins as that of UTF-16LE does.
    let marks: [(mark: [UInt8], label: String)] = [
        ([0, 0, 0xfe, 0xff], "utf-32be"), ([0xff, 0xfe, 0, 0], "utf-32le"),
        ([0xfe, 0xff], "utf-16be"), ([0xff, 0xfe], "utf-16le"), ([0xef, 0xbb, 0xbf], "utf-8"),
    ]
    if let known = marks.first(where: { bytes.starts(with: $0.mark) }) { return (known.label, known.mark.count) }
    let zeros = bytes.prefix(4).map { $0 == 0 }
    // Of the second character, UTF-16 may have no zero.
    switch zeros.count {
    case 4 where zeros[0]: return (zeros[1] ? "utf-32be" : "utf-16be", 0)
    case 4 where zeros[1]: return (zeros[2] && zeros[3] ? "utf-32le" : "utf-16le", 0)
    case 2 where zeros[0]: return ("utf-16be", 0)
    case 2 where zeros[1]: return ("utf-16le", 0)
    default: return ("utf-8", 0)
    }
}
