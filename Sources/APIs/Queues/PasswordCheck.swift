internal import Cryptography
internal import HTTP
internal import Values

/// Checks passwords. Expensive hashes are computed on another thread, and the results are cached.
final class PasswordCheck {
    enum Finding {
        case right
        case wrong
        /// The check is in progress; `wait` returns once it is done.
        case pending
        /// Too many passwords are being checked.
        case tooMany
    }

    /// The key of the marks, private to this process.
    private let key: [UInt8]
    private let background: any Background
    /// The cached results: whether a password has a hash, by the mark of both.
    private var known: [[UInt8]: Bool] = [:]
    /// The requests that wait for a check in progress, by the same mark.
    private var waiting: [[UInt8]: [Wakeup]] = [:]
    private static let limit = 1024
    /// Called for each hash that is made, so that tests can count them.
    var onHash: (PasswordHash) -> Void = { _ in }

    init(_ background: any Background, random: inout any RandomNumberGenerator) {
        self.background = background
        key = [UInt8](randomCount: 32, using: &random)
    }

    /// Identifies a password, a hash and a name. With the name, a user's own password does not reveal which hash is used to
    /// check another name.
    func mark(_ password: [UInt8], _ hash: PasswordHash, of name: String = "") -> [UInt8] {
        let parts = [Array(name.utf8), Array(hash.text.utf8), password]
        return DigestAlgorithm.sha256.authenticationCode(
            of: parts.flatMap { Array("\($0.count):".utf8) + $0 }, key: key)
    }

    /// - Parameter name: the user that the client claims to be.
    func check(_ password: [UInt8], _ hash: PasswordHash, of name: String = "") -> Finding {
        guard hash.kind == .argon2id else {
            onHash(hash)
            return hash.accepts(password) ? .right : .wrong
        }
        let mark = mark(password, hash, of: name)
        if known[mark] == nil, waiting[mark] == nil {
            waiting[mark] = []
            let isBegun = background.run(
                { hash.accepts(password) }, done: { [weak self] isRight in self?.finish(mark, isRight) })
            guard isBegun else {
                waiting[mark] = nil
                return .tooMany
            }
            onHash(hash)
        }
        return known[mark].map { $0 ? .right : .wrong } ?? .pending
    }

    /// Waits for a check for which `check` returned pending.
    /// - Returns: false if the request cannot wait, or its time to wait is over.
    func wait(
        _ password: [UInt8], _ hash: PasswordHash, of name: String, _ context: any RequestContext
    ) async -> Bool {
        let mark = mark(password, hash, of: name)
        return await context.outside { waiting[mark, default: []].append($0) }
    }

    private func finish(_ mark: [UInt8], _ isRight: Bool) {
        let waiting = waiting.removeValue(forKey: mark) ?? []
        if known.count >= Self.limit { known.removeAll() }
        known[mark] = isRight
        for wakeup in waiting { wakeup.wake() }
    }
}
