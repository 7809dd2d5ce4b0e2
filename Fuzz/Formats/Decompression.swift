@testable import Encodings

/// Decompression stays within its limit, and every charset gives valid UTF-8 or refuses the bytes.
func fuzzDecompression(_ bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    let rest = Array(bytes.dropFirst())
    let limit = Int(first) * 64
    if let whole = try? decompress(rest, first & 1 == 0 ? .gzip : .deflate, limit: limit) {
        require(whole.count <= limit, "more than the limit")
    }
    let part = parts(rest, 2)
    let names = [
        "latin1", "utf16", "utf-16le", "utf32", "koi8r", "shiftjis", "cp932", "eucjp", "iso2022jp", "gb2312", "gbk",
        "gb18030", "big5", "euckr", "cp949", "tis620", "cp437", "windows1255", "windows1258", "macintosh", "",
    ]
    let labels = [names[Int(first) % names.count], String(decoding: part[0], as: UTF8.self)]
    for label in labels {
        guard let text = Charset(label: label)?.decode(Array(part[1])) else { continue }
        require(isUTF8(text), "\(label) did not give UTF-8")
    }
}
