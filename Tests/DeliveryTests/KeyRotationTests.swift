import HTTP
import Testing
import Values

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
    func `a key is announced, then signs, and is shown for a day after that`(
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

    @Test func `one key is announced at a time, and keys that are no longer shown are dropped`() throws {
        let now = { (hours: Double) in Timestamp(microseconds: 0).adding(seconds: hours * 3600) }
        let ring = Keyring(number: 7, keys: [key("a", signsFrom: 0), key("b", signsFrom: 100)])
        #expect(ring.announcing(key("c", signsFrom: 120), at: now(99), overlapSeconds: 86_400) == nil)
        let early = try #require(ring.announcing(key("c", signsFrom: 134), at: now(110), overlapSeconds: 86_400))
        #expect(early.keys.map(\.id) == ["a", "b", "c"] && early.number == 7)
        let late = try #require(ring.announcing(key("c", signsFrom: 154), at: now(130), overlapSeconds: 86_400))
        #expect(late.keys.map(\.id) == ["b", "c"])
        #expect(late.announcing(key("d", signsFrom: 155), at: now(131), overlapSeconds: 86_400) == nil)
    }

    @Test func `an empty keyring has no current key`() {
        let empty = Keyring(number: 1, keys: [])
        #expect(KeyRotation(empty, at: Timestamp(microseconds: 0), overlapSeconds: 1) == nil)
    }
}
