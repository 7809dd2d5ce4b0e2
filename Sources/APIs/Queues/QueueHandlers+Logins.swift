internal import Cryptography
internal import HTTP
internal import HTTPTypes
internal import Values

/// Logins: the user of a request.
extension QueueHandlers {
    /// Indirect, so that suspended functions hold only a reference.
    indirect enum Login {
        case user(User)
        case refused(Answer)
    }

    var wrongLogin: Response { errorResponse(.forbidden, "Wrong user name or password.") }

    @inline(never)
    func loggedIn(
        _ request: Request, _ context: any RequestContext, _ body: (User) async throws(StoreFailure) -> Answer
    ) async throws(StoreFailure) -> Answer {
        switch try await logIn(request, context) {
        case .user(let user): try await body(user)
        case .refused(let answer): answer
        }
    }

    func logIn(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Login {
        guard let credentials = Credentials(request) else {
            var response = errorResponse(.unauthorized, "Log in with HTTP Basic authentication, in UTF-8.")
            response.head.headerFields[.wwwAuthenticate] = "Basic realm=\"Postroom\", charset=\"UTF-8\""
            return .refused(.whole(response))
        }
        let attempt = LoginAttempt(name: credentials.name, address: request.remoteAddress)
        // While a hash is computed, others may fail or the password may change: then everything is checked again.
        while true {
            switch try await decide(credentials, attempt, context) {
            case .done(let login): return login
            case .pending(let hash):
                guard await passwords.wait(credentials.password, hash, of: credentials.name, context) else {
                    return .refused(.whole(Self.busy))
                }
            }
        }
    }

    private enum Decision {
        case done(Login)
        /// It is not known yet whether the password matches this hash.
        case pending(PasswordHash)
    }

    @inline(never)
    private func decide(
        _ credentials: Credentials, _ attempt: LoginAttempt, _ context: any RequestContext
    ) async throws(StoreFailure) -> Decision {
        let time = now().steady
        let record = try await store.logins(attempt)
        if let seconds = LoginLimits.delay(record, at: time) { return .done(tooManyFailures(seconds)) }
        let user = try await store.user(named: credentials.name)
        if let user {
            switch passwords.check(credentials.password, user.hash, of: credentials.name) {
            case .right:
                if LoginLimits.succeeded(record, at: time) != nil {
                    try await store.recordSuccess(attempt, at: time)
                }
                return .done(.user(user))
            case .wrong: break
            case .pending: return .pending(user.hash)
            case .tooMany: return .done(.refused(.whole(Self.busy)))
            }
        }
        return try await refuse(credentials, attempt, user, at: time, context)
    }

    @inline(never)
    private func tooManyFailures(_ seconds: Double) -> Login {
        var response = errorResponse(.tooManyRequests, "Too many logins have failed. Try again later.")
        response.head.headerFields[.retryAfter] = String(Int(seconds.rounded(.up)))
        return .refused(.whole(response))
    }

    /// Refuses a login. Every failure takes the same time, even for an unknown user: each kind of hash that users have is
    /// computed.
    @inline(never)
    private func refuse(
        _ credentials: Credentials, _ attempt: LoginAttempt, _ user: User?, at time: Timestamp,
        _ context: any RequestContext
    ) async throws(StoreFailure) -> Decision {
        for hash in try await hashesInForce(at: time) where hash.work != user?.hash.work {
            switch passwords.check(credentials.password, hash, of: credentials.name) {
            case .right, .wrong: break
            case .pending: return .pending(hash)
            case .tooMany: return .done(.refused(.whole(Self.busy)))
            }
        }
        try await store.recordFailure(attempt.guessing(credentials.password, key: loginKey), at: time)
        return .done(.refused(try await context.committed(wrongLogin)))
    }

    static let busy = errorResponse(
        .serviceUnavailable, "Too many passwords and configurations are being processed. Try again."
    ).retryAfter(5)

    /// The users are scanned at most once in this many seconds, and only after a failed login.
    private static let hashesSeconds = 10.0

    /// A hash for each kind of work that users' hashes take; if there are no users, one like that of a new password.
    private func hashesInForce(at now: Timestamp) async throws(StoreFailure) -> [PasswordHash] {
        if let known = knownHashes, now < known.until { return known.hashes }
        var hashes = try await store.hashesInForce()
        if hashes.isEmpty, let hash = PasswordHash([], hashKind, random: &random) { hashes = [hash] }
        knownHashes = (hashes, now.adding(seconds: Self.hashesSeconds))
        return hashes
    }

    /// Discards the cached hashes.
    func forgetHashes() { knownHashes = nil }
}
