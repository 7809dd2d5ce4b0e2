@testable import Encodings

/// Each run of bytes has one text, and each text that is taken is that of its bytes.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe input(start, count)
    for alphabet in [Base64.standard, .url] {
        require(alphabet.decode(alphabet.encode(bytes).utf8) == bytes, "other bytes")
        if let decoded = alphabet.decode(bytes) {
            require(Array(alphabet.encode(decoded).utf8) == bytes, "two texts for the same bytes")
        }
    }
    return 0
}
