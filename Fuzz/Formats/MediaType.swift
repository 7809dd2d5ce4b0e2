@testable import HTTP

/// Any media type can be read, and a slice of a larger array is read like a small array.
func fuzzMediaType(_ bytes: [UInt8]) {
    let label = MediaType(bytes: bytes[...]).parameter("charset")
    require(label.map { !$0.utf8.contains(UInt8(ascii: "\\")) } ?? true, "a backslash is left")
    let padded = Array("\";".utf8) + bytes + Array("\";".utf8)
    let slice = MediaType(bytes: padded[2..<(2 + bytes.count)])
    require(slice.parameter("charset") == label, "bytes outside of the slice were read")
}
