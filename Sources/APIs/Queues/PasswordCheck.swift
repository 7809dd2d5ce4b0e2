internal import Cryptography
internal import HTTP

/// Checks passwords. A costly hash is computed beside the loop, and what came of it is remembered.
final class PasswordCheck {
    enum Finding {
        case right
        case wrong
        /// It is being found out; `isKnown` says when it is.
        case pending
        /// Too many passwords are being checked.
        case tooMany
    }

    /// Of this process alone.
    private let key: [UInt8]
    private let background: any Background
    /// Whether a password has a hash, by the mark of both.
    private var known: [[UInt8]: Bool] = [:]
    private var pending: Set<[UInt8]> = []
    private static let limit = 1024
    /// Called for each hash that is made, so that tests can count them.
    var onHash: (PasswordHash) -> Void = { _ in }

    init(_ background: any Background, random: inout any RandomNumberGenerator) {
        self.background = background
        key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    /// The name is part of it: a user's own password does not tell which hash another name is checked with.
    func mark(_ password: [UInt8], _ hash: PasswordHash, of name: String = "") -> [UInt8] {
        let parts = [Array(name.utf8), Array(hash.text.utf8), password]
        return DigestAlgorithm.sha256.authenticationCode(
            of: parts.flatMap { Array("\($0.count):".utf8) + $0 }, key: key)
    }

    /// Whether it is known, or no longer being found out, what comes of a password.
    func isKnown(_ mark: [UInt8]) -> Bool { !pending.contains(mark) }

    /// - Parameter name: the user that the client claims to be.
    func check(_ password: [UInt8], _ hash: PasswordHash, of name: String = "") -> Finding {
        guard hash.kind == .argon2id else {
            onHash(hash)
            return hash.accepts(password) ? .right : .wrong
        }
        let mark = mark(password, hash, of: name)
        if known[mark] == nil, !pending.contains(mark) {
            pending.insert(mark)
            let isBegun = background.run(
                { hash.accepts(password) }, done: { [weak self] isRight in self?.settle(mark, isRight) })
            guard isBegun else {
                pending.remove(mark)
                return .tooMany
            }
            onHash(hash)
        }
        return known[mark].map { $0 ? .right : .wrong } ?? .pending
    }

    private func settle(_ mark: [UInt8], _ isRight: Bool) {
        pending.remove(mark)
        if known.count >= Self.limit { known.removeAll() }
        known[mark] = isRight
    }
}
