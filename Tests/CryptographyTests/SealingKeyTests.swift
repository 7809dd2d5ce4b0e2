import CCrypto
import Encodings
import Testing

@testable import Cryptography

@Suite struct SealingKeyTests {
    @Test func `derived secrets differ by key and by purpose`() throws {
        let key = try #require(SealingKey(bytes: [UInt8](repeating: 1, count: 32)))
        let other = try #require(SealingKey(bytes: [UInt8](repeating: 2, count: 32)))
        let derived = key.derived(for: [1])
        #expect(derived.count == 32 && derived == key.derived(for: [1]) && derived != [UInt8](repeating: 1, count: 32))
        #expect(derived != key.derived(for: [2]) && derived != other.derived(for: [1]))
    }

    private static let context = Array("webhook 1, secret".utf8)

    private let key: SealingKey
    private var random = SystemRandomNumberGenerator()

    init() throws { key = try #require(SealingKey(bytes: Array("0123456789abcdef0123456789abcdef".utf8))) }

    @Test(arguments: [0, 1, 31, 33, 64])
    func `a key of other than 32 bytes is refused`(count: Int) {
        #expect(SealingKey(bytes: [UInt8](repeating: 7, count: count)) == nil)
    }

    @Test(arguments: [0, 1, 15, 16, 17, 1000, 100_000])
    mutating func `a sealed value opens`(count: Int) {
        let plain = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let sealed = key.seal(plain, for: Self.context, random: &random)
        #expect(sealed.count == count + SealingKey.overheadBytes)
        #expect(key.open(sealed, for: Self.context) == plain)
    }

    @Test mutating func `a value sealed with an empty context opens`() {
        #expect(key.open(key.seal([1], for: [], random: &random), for: []) == [1])
    }

    @Test mutating func `a sealed value with a byte changed, removed or added does not open`() {
        // Other tests of the thread may have left errors.
        ERR_clear_error()
        let sealed = key.seal(Array("the secret".utf8), for: Self.context, random: &random)
        for index in sealed.indices {
            for change: UInt8 in [0x01, 0x80, 0xff] {
                var changed = sealed
                changed[index] ^= change
                #expect(key.open(changed, for: Self.context) == nil, "byte \(index)")
            }
            var shorter = sealed
            shorter.remove(at: index)
            #expect(key.open(shorter, for: Self.context) == nil, "without byte \(index)")
            #expect(key.open(Array(sealed[..<index]), for: Self.context) == nil, "the first \(index)")
        }
        #expect(key.open(sealed + [0], for: Self.context) == nil)
        #expect(ERR_peek_error() == 0)
        #expect(key.open([0] + sealed, for: Self.context) == nil)
    }

    @Test mutating func `a sealed value opens only with its own context`() {
        let sealed = key.seal([1, 2, 3], for: Self.context, random: &random)
        for other in [[], Array("webhook 2, secret".utf8), Self.context + [0], Array(Self.context.dropLast())] {
            #expect(key.open(sealed, for: other) == nil)
        }
    }

    @Test mutating func `a sealed value opens only with its own key`() throws {
        let sealed = key.seal([1, 2, 3], for: Self.context, random: &random)
        let other = try #require(SealingKey(bytes: Array("0123456789abcdef0123456789abcdeg".utf8)))
        #expect(other.open(sealed, for: Self.context) == nil)
    }

    @Test mutating func `each sealing has its own nonce`() {
        let sealed = (0..<100).map { _ in key.seal([1, 2, 3], for: Self.context, random: &random) }
        #expect(Set(sealed.map { Array($0[1..<13]) }).count == 100)
    }

    /// Values sealed by earlier versions must open.
    @Test func `the format of sealed values does not change`() throws {
        var counter = Counter()
        let sealed = "01" + "000102030405060708090a0b" + "5e80d80ebc6ced42d5ccbf81cd66a0a5966b3945f382"
        #expect(hexadecimal(key.seal(Array("secret".utf8), for: Self.context, random: &counter)) == sealed)
        #expect(key.open(try #require(bytes(hexadecimal: sealed)), for: Self.context) == Array("secret".utf8))
    }

    @Test func `printing a key does not reveal it`() {
        #expect("\(key)" == "SealingKey" && String(reflecting: (key, 1)) == "(SealingKey, 1)")
    }
}

/// The nth number, from 0, has n in its lowest and in its highest byte.
private struct Counter: RandomNumberGenerator {
    private var count: UInt64 = 0

    mutating func next() -> UInt64 {
        defer { count += 1 }
        return count << 56 | count
    }
}
