/// The fuzzer calls this with each input. scripts/fuzz compiles it with one target, and TARGET becomes its name.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    fuzzTARGET(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
