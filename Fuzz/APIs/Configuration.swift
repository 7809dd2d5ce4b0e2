@testable import Capture

/// A configuration is accepted, or refused with a sentence.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do throws(ConfigurationError) {
        _ = try Configuration(parsing: unsafe input(start, count))
    } catch {
        require(error.reason.hasSuffix("."), "the reason is not a sentence")
    }
    return 0
}
