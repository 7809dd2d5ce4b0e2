internal import Cryptography
internal import Gateway

/// Checks passwords, remembers which ones a costly hash has accepted or refused, and spreads costly hashes over time.
struct PasswordCheck {
    /// Of this process alone.
    private let key: [UInt8]
    private var accepted: Set<[UInt8]> = []
    private var refused: Set<[UInt8]> = []
    private static let limit = 1024
    /// When the next costly hash may be made: each is followed by twice the time that it took.
    private var hashesAgainAt: Timestamp?
    /// Called for each hash that is made, so that tests can count them.
    var onHash: (PasswordHash) -> Void = { _ in }

    init(random: inout any RandomNumberGenerator) {
        key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    /// The name is part of it: a user's own password does not tell which hash another name is checked with.
    private func mark(_ password: [UInt8], _ hash: PasswordHash, of name: String) -> [UInt8] {
        let parts = [Array(name.utf8), Array(hash.text.utf8), password]
        return DigestAlgorithm.sha256.authenticationCode(
            of: parts.flatMap { Array("\($0.count):".utf8) + $0 }, key: key)
    }

    /// Milliseconds after which to look at a password; `nil` where it is at once.
    /// - Parameter name: the user that the client claims to be.
    func delay(_ password: [UInt8], _ hash: PasswordHash, of name: String = "", at now: Timestamp) -> Int? {
        guard hash.kind == .argon2id, let time = hashesAgainAt, time > now else { return nil }
        let mark = mark(password, hash, of: name)
        guard !accepted.contains(mark), !refused.contains(mark) else { return nil }
        return min(1000, Int(time.seconds(since: now) * 1000) + 1)
    }

    mutating func accepts(
        _ password: [UInt8], _ hash: PasswordHash, of name: String = "", now: () -> Timestamp
    ) -> Bool {
        guard hash.kind == .argon2id else {
            onHash(hash)
            return hash.accepts(password)
        }
        let mark = mark(password, hash, of: name)
        if accepted.contains(mark) { return true }
        if refused.contains(mark) { return false }
        onHash(hash)
        let start = now()
        let isRight = hash.accepts(password)
        let end = now()
        hashesAgainAt = end.adding(seconds: 2 * max(0, end.seconds(since: start)))
        if isRight { Self.add(mark, to: &accepted) } else { Self.add(mark, to: &refused) }
        return isRight
    }

    private static func add(_ mark: [UInt8], to marks: inout Set<[UInt8]>) {
        if marks.count >= limit { marks.removeAll() }
        marks.insert(mark)
    }
}
