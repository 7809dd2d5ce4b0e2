internal import HTTP
package import Values

/// The keys of a keyring that receivers are shown at a given time.
package struct KeyRotation: Equatable, Sendable {
    /// The key that signs.
    package let current: Keyring.Key
    /// The announced key that will sign next; `nil` if none is announced.
    package let next: Keyring.Key?
    /// The key that signed before; `nil` if there is none, or once the overlap has passed.
    package let previous: Keyring.Key?

    /// - Parameter overlapSeconds: how long the previous key stays valid.
    package init?(_ keyring: Keyring, at now: Timestamp, overlapSeconds: Double) {
        guard let first = keyring.keys.first else { return nil }
        let index = keyring.keys.lastIndex { $0.signsFrom <= now }
        current = index.map { keyring.keys[$0] } ?? first
        let after = (index ?? 0) + 1
        next = after < keyring.keys.count ? keyring.keys[after] : nil
        let isFresh = now < current.signsFrom.adding(seconds: overlapSeconds)
        previous = index.flatMap { $0 > 0 && isFresh ? keyring.keys[$0 - 1] : nil }
    }

    package func contains(_ key: Keyring.Key) -> Bool {
        key.id == current.id || key.id == next?.id || key.id == previous?.id
    }
}

extension Keyring {
    /// The keyring with one more key at the end, and without those that are no longer shown.
    /// - Parameters:
    ///   - now: by the time of day.
    ///   - overlapSeconds: how long the previous key is still shown.
    /// - Returns: `nil` if another key is already announced: that one stays the next.
    package func announcing(_ key: Key, at now: Timestamp, overlapSeconds: Double) -> Keyring? {
        guard let rotation = KeyRotation(self, at: now, overlapSeconds: overlapSeconds), rotation.next == nil else {
            return nil
        }
        return Keyring(number: number, keys: keys.filter(rotation.contains) + [key])
    }
}
