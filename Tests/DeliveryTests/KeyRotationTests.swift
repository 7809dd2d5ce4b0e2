import Gateway
import Testing

@testable import Delivery

@Suite struct KeyRotationTests {
    private func key(_ id: String, signsFrom hours: Double) -> Keyring.Key {
        Keyring.Key(
            id: id, algorithm: "ed25519", publicKey: "", sealedPrivateKey: [],
            created: Timestamp(microseconds: 0).adding(seconds: (hours - 24) * 3600),
            signsFrom: Timestamp(microseconds: 0).adding(seconds: hours * 3600))
    }

    @Test(
        arguments: [
            (-1, "a", "b", nil), (0, "a", "b", nil), (99, "a", "b", nil), (100, "b", "c", "a"), (123.9, "b", "c", "a"),
            (124, "b", "c", nil), (200, "c", nil, "b"), (224, "c", nil, nil),
        ] as [(Double, String, String?, String?)])
    func `a key is announced, signs, and is shown for a day after`(
        hours: Double, current: String, next: String?, previous: String?
    ) throws {
        let keys = [key("a", signsFrom: 0), key("b", signsFrom: 100), key("c", signsFrom: 200)]
        let now = Timestamp(microseconds: 0).adding(seconds: hours * 3600)
        let ring = Keyring(number: 1, keys: keys)
        let rotation = try #require(KeyRotation(ring, at: now, overlapSeconds: 86_400))
        #expect(rotation.current.id == current)
        #expect(rotation.next?.id == next)
        #expect(rotation.previous?.id == previous)
        #expect(keys.filter(rotation.contains).map(\.id) == [previous, current, next].compactMap(\.self))
    }

    @Test func `there is nothing to show of no keys`() {
        let empty = Keyring(number: 1, keys: [])
        #expect(KeyRotation(empty, at: Timestamp(microseconds: 0), overlapSeconds: 1) == nil)
    }
}
