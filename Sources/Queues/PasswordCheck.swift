internal import Cryptography
internal import Gateway

/// Checks passwords, remembers which ones a costly hash has accepted, and spreads costly hashes over time.
struct PasswordCheck {
    /// Of this process alone.
    private let key: [UInt8]
    private var accepted: Set<[UInt8]> = []
    private static let limit = 1024
    /// When the next costly hash may be made: each is followed by twice the time that it took.
    private var hashesAgainAt: Timestamp?

    init(random: inout any RandomNumberGenerator) {
        key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    private func mark(_ password: [UInt8], _ hash: PasswordHash) -> [UInt8] {
        DigestAlgorithm.sha256.authenticationCode(of: Array(hash.text.utf8) + [0] + password, key: key)
    }

    /// Milliseconds after which to look at a password; `nil` where it is at once.
    func delay(_ password: [UInt8], _ hash: PasswordHash, at now: Timestamp) -> Int? {
        guard hash.kind == .argon2id, let time = hashesAgainAt, time > now, !accepted.contains(mark(password, hash))
        else { return nil }
        return min(1000, Int(time.seconds(since: now) * 1000) + 1)
    }

    mutating func accepts(_ password: [UInt8], _ hash: PasswordHash, now: () -> Timestamp) -> Bool {
        guard hash.kind == .argon2id else { return hash.accepts(password) }
        let mark = mark(password, hash)
        if accepted.contains(mark) { return true }
        let start = now()
        let isRight = hash.accepts(password)
        let end = now()
        hashesAgainAt = end.adding(seconds: 2 * max(0, end.seconds(since: start)))
        guard isRight else { return false }
        if accepted.count >= Self.limit { accepted.removeAll() }
        accepted.insert(mark)
        return true
    }
}
