@testable import Capture

/// A configuration is taken or refused with a sentence.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do throws(ConfigurationError) {
        _ = try Configuration(parsing: unsafe input(start, count))
    } catch {
        require(error.reason.hasSuffix("."), "the reason is no sentence")
    }
    return 0
}
