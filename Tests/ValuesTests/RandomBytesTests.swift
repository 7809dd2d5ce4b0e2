import Testing
import Values

@Suite struct RandomBytesTests {
    /// Gives numbers of eight equal bytes: 0x0101…, 0x0202…, and so on.
    private struct Counter: RandomNumberGenerator {
        var number: UInt64 = 0

        mutating func next() -> UInt64 {
            number &+= 0x0101_0101_0101_0101
            return number
        }
    }

    @Test(arguments: [0, 1, 32]) func `the bytes come from the generator, as many as requested`(count: Int) {
        var (one, other) = (Counter(), Counter())
        let bytes = [UInt8](randomCount: count, using: &one)
        #expect(bytes.count == count && bytes == [UInt8](randomCount: count, using: &other))
        #expect(count < 2 || Set(bytes).count > 1)
    }
}
