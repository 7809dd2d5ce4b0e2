/// What the fuzzer calls with each input. scripts/fuzz compiles it with one target, whose name takes the place of TARGET.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    fuzzTARGET(unsafe Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
