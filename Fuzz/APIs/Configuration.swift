@testable import Capture

/// A configuration is accepted, or refused with a sentence.
func fuzzConfiguration(_ bytes: [UInt8]) {
    do throws(ConfigurationError) {
        _ = try Configuration(parsing: bytes)
    } catch {
        require(error.reason.hasSuffix("."), "the reason is not a sentence")
    }
}
