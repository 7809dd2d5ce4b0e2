extension [UInt8] {
    /// Makes this many random bytes.
    package init(randomCount count: Int, using random: inout some RandomNumberGenerator) {
        self = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }
}
