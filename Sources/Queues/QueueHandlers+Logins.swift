internal import Cryptography
internal import Gateway
internal import HTTPTypes

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
            if let answer = later(request, credentials, [user.hash], at: time) { return .refused(answer) }
            if accepts(credentials, user.hash) {
                if LoginLimits.succeeded(record, at: time) != nil { try store.recordSuccess(attempt, at: time) }
                return .user(user)
            }
        }
        // Every failure takes the same time, whether or not there is such a user: each kind of hash that users have is made.
        let others = try hashesInForce(at: time).filter { $0.work != user?.hash.work }
        if let answer = later(request, credentials, others, at: time) { return .refused(answer) }
        for hash in others { _ = accepts(credentials, hash) }
        try store.recordFailure(attempt.guessing(credentials.password, key: loginKey), at: time)
        return .refused(.afterCommit(wrongLogin))
    }

    private func accepts(_ credentials: Credentials, _ hash: PasswordHash) -> Bool {
        passwords.accepts(credentials.password, hash, of: credentials.name, now: { self.now().steady })
    }

    /// Looks at the request later where costly hashes have just been made, so that hashing leaves most of the time to
    /// others; `nil` where it can be looked at now.
    private func later(
        _ request: Request, _ credentials: Credentials, _ hashes: [PasswordHash], at time: Timestamp
    ) -> Answer? {
        let delays = hashes.compactMap { passwords.delay(credentials.password, $0, of: credentials.name, at: time) }
        guard let milliseconds = delays.max() else { return nil }
        let later = Waiting(
            milliseconds: milliseconds, look: { nil },
            giveUp: { [self] in
                do throws(StoreFailure) {
                    return try answer(request, path: request.target.segments ?? []) ?? .now(.notFound)
                } catch {
                    return .now(queueResponse(to: error))
                }
            })
        return .wait(later)
    }

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
