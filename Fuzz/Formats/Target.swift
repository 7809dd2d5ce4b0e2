@testable import Encodings
@testable import HTTP

/// Segments are the decoded parts of the path, and are valid UTF-8.
func fuzzTarget(_ bytes: [UInt8]) {
    let part = parts(bytes, 3)
    let mount = part[0].split(separator: UInt8(ascii: "/")).prefix(3).map { String(decoding: $0, as: UTF8.self) }
    let target = Target(raw: part[1], mountPoint: mount)
    if let segments = target.segments {
        require(part[1].first == UInt8(ascii: "/"), "a path without its slash")
        let path = part[1].prefix { $0 != UInt8(ascii: "?") }
        require(segments.count + mount.count == path.count { $0 == UInt8(ascii: "/") }, "a segment is lost")
        for count in 1..<max(1, segments.count + 1) {
            let rest = target.rest(after: count)
            require(rest.isEmpty || rest.first == UInt8(ascii: "/"), "the rest does not begin with a slash")
            require(count < segments.count || rest.isEmpty, "something follows the last segment")
        }
    }
    _ = target.queryValue(String(decoding: part[2], as: UTF8.self))
    if let text = percentDecoded(part[1]) {
        let escaped = text.utf8.flatMap { byte in Array("%\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8) }
        require(percentDecoded(escaped[...]).map { Array($0.utf8) } == Array(text.utf8), "decoding is not the inverse")
    }
}
