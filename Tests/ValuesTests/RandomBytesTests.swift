import Testing
import Values

@Suite struct RandomBytesTests {
    /// Counts up.
    private struct Counter: RandomNumberGenerator {
        var number: UInt64 = 0

        mutating func next() -> UInt64 {
            number &+= 0x0101_0101_0101_0101
            return number
        }
    }

    @Test(arguments: [0, 1, 32]) func `there are as many bytes as asked for, from the generator`(count: Int) {
        var (one, other) = (Counter(), Counter())
        let bytes = [UInt8](randomCount: count, using: &one)
        #expect(bytes.count == count && bytes == [UInt8](randomCount: count, using: &other))
        #expect(count < 2 || Set(bytes).count > 1)
    }
}
