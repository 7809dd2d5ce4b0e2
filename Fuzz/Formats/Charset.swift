@testable import Encodings

/// A label, and bytes. They become UTF-8; in pieces they become the same; and ASCII stays what it is in most encodings.
func fuzzCharset(_ bytes: [UInt8]) {
    let part = parts(bytes, 2)
    guard let charset = Charset(label: String(decoding: part[0], as: UTF8.self)) else { return }
    let bytes = Array(part[1])
    let (text, isExact) = charset.decodeReplacing(bytes)
    require(isUTF8(text), "a text that is not UTF-8")
    require((charset.decode(bytes) == nil) == !isExact, "decoded in one way only")
    guard let stream = CharsetStream(charset) else { return }
    var pieces: [UInt8]? = []
    let half = bytes.count / 2
    for (piece, isLast) in [(bytes[..<half], false), (bytes[half...], true)] {
        let text = stream.decode(piece, isLast: isLast)
        pieces = pieces.flatMap { before in text.map { before + $0 } }
    }
    require(!isExact || pieces == text, "other text in pieces")
}
