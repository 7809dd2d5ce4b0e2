internal import Cryptography
internal import HTTP
internal import HTTPTypes
internal import Values

/// Who a request comes from.
extension QueueHandlers {
    enum Login {
        case user(User)
        case refused(Answer)
    }

    var wrongLogin: Response { errorResponse(.forbidden, "The user or the password is wrong.") }

    func loggedIn(_ request: Request, _ body: (User) throws(StoreFailure) -> Answer) throws(StoreFailure)
        -> Answer
    {
        switch try logIn(request) {
        case .user(let user): try body(user)
        case .refused(let answer): answer
        }
    }

    func logIn(_ request: Request) throws(StoreFailure) -> Login {
        guard let credentials = Credentials(request) else {
            var response = errorResponse(.unauthorized, "A login is needed: HTTP Basic, UTF-8.")
            response.head.headerFields[.wwwAuthenticate] = "Basic realm=\"Postroom\", charset=\"UTF-8\""
            return .refused(.now(response))
        }
        let time = now().steady
        let attempt = LoginAttempt(name: credentials.name, address: request.remoteAddress)
        let record = try store.logins(attempt)
        if let seconds = LoginLimits.delay(record, at: time) {
            var response = errorResponse(.tooManyRequests, "Too many logins have failed. Try again later.")
            response.head.headerFields[.retryAfter] = String(Int(seconds.rounded(.up)))
            return .refused(.now(response))
        }
        let user = try store.user(named: credentials.name)
        if let user {
            switch check(credentials, user.hash) {
            case .right:
                if LoginLimits.succeeded(record, at: time) != nil { try store.recordSuccess(attempt, at: time) }
                return .user(user)
            case .wrong: break
            case .later(let answer): return .refused(answer)
            }
        }
        // Every failure takes the same time, whether or not there is such a user: each kind of hash that users have is made.
        for hash in try hashesInForce(at: time) where hash.work != user?.hash.work {
            if case .later(let answer) = check(credentials, hash) { return .refused(answer) }
        }
        try store.recordFailure(attempt.guessing(credentials.password, key: loginKey), at: time)
        return .refused(.afterCommit(wrongLogin))
    }

    private enum Finding {
        case right
        case wrong
        /// Answers the request anew once the hash is made, or refuses it where too many are being made.
        case later(Answer)
    }

    private func check(_ credentials: Credentials, _ hash: PasswordHash) -> Finding {
        switch passwords.check(credentials.password, hash, of: credentials.name) {
        case .right: return .right
        case .wrong: return .wrong
        case .tooMany: return .later(.now(Self.busy))
        case .pending:
            let mark = passwords.mark(credentials.password, hash, of: credentials.name)
            return .later(ask { [passwords] in passwords.isKnown(mark) })
        }
    }

    /// Answers the request anew once `isOver` holds.
    func ask(giveUp: Response = busy, until isOver: @escaping () -> Bool) -> Answer {
        .ask(Pending(isOver: isOver, giveUp: { giveUp }))
    }

    static let busy = errorResponse(
        .serviceUnavailable, "Too many passwords and configurations are being worked on. Try again."
    ).retryAfter(5)

    /// Users are looked through once in so many seconds at the most, and only where a login has failed.
    private static let hashesSeconds = 10.0

    /// A hash for each kind of work that users' hashes take; where there are no users, one that a new password would have.
    private func hashesInForce(at now: Timestamp) throws(StoreFailure) -> [PasswordHash] {
        if let known = knownHashes, now < known.until { return known.hashes }
        var hashes = try store.hashesInForce()
        if hashes.isEmpty, let hash = PasswordHash([], hashKind, random: &random) { hashes = [hash] }
        knownHashes = (hashes, now.adding(seconds: Self.hashesSeconds))
        return hashes
    }

    /// What was known of users' hashes no longer holds.
    func forgetHashes() { knownHashes = nil }
}
