@testable import HTTP

/// Any media type can be read, and a slice of a larger array is read like a small array.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe input(start, count)
    let label = MediaType(bytes: bytes[...]).parameter("charset")
    require(label.map { !$0.utf8.contains(UInt8(ascii: "\\")) } ?? true, "a backslash is left")
    let padded = Array("\";".utf8) + bytes + Array("\";".utf8)
    let slice = MediaType(bytes: padded[2..<(2 + bytes.count)])
    require(slice.parameter("charset") == label, "bytes outside of the slice were read")
    return 0
}
