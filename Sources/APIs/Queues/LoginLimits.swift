internal import Cryptography
internal import HTTP
package import Values

/// Whose failed logins are counted together.
package struct LoginAttempt: Equatable, Sendable {
    package let name: String
    /// An IPv4 address, or the first 64 bits of an IPv6 one, which are one customer's; `nil` where it is not known.
    package let network: [UInt8]?
    /// Tells whether the same password was tried before, for this name and from this network: 32 bytes that say nothing of
    /// the password to whom the key is not known. `nil`: every failure counts.
    package let guess: [UInt8]?

    package init(name: String, address: String?, guess: [UInt8]? = nil) {
        self.name = name
        network = address.flatMap { IPAddress($0) }.map { $0.bytes.count == 4 ? $0.bytes : Array($0.bytes.prefix(8)) }
        self.guess = guess
    }

    private init(name: String, network: [UInt8]?, guess: [UInt8]) {
        (self.name, self.network, self.guess) = (name, network, guess)
    }

    /// The same attempt with the password that was tried.
    func guessing(_ password: [UInt8], key: [UInt8]) -> LoginAttempt {
        let text = [Array(name.utf8), network ?? [], password].flatMap { Array("\($0.count):".utf8) + $0 }
        return LoginAttempt(
            name: name, network: network, guess: DigestAlgorithm.sha256.authenticationCode(of: text, key: key))
    }
}

/// What is known of earlier logins: for each count, when all its failures are forgiven; `nil` where there are none.
package struct LoginRecord: Equatable, Sendable {
    package var address: Timestamp?
    package var user: Timestamp?
    /// Of the user at this address, once it has logged in there.
    package var userAtAddress: Timestamp?
    /// Until when this address counts as one that the user logs in from.
    package var knownUntil: Timestamp?

    package init(
        address: Timestamp? = nil, user: Timestamp? = nil, userAtAddress: Timestamp? = nil, knownUntil: Timestamp? = nil
    ) {
        self.address = address
        self.user = user
        self.userAtAddress = userAtAddress
        self.knownUntil = knownUntil
    }
}

/// So many failures at once, and one more whenever so many seconds have passed.
struct FailureAllowance {
    let burst: Int
    let seconds: Double

    /// Seconds until the next attempt is looked at; `nil` where it is at once.
    func delay(_ forgiven: Timestamp?, at now: Timestamp) -> Double? {
        guard let forgiven else { return nil }
        // Not many more than the burst can have failed; what says so was counted by a clock that was ahead.
        let debt = min(forgiven.seconds(since: now), 2 * Double(burst) * seconds)
        let delay = debt - Double(burst - 1) * seconds
        return delay > 0 ? delay : nil
    }

    func failed(_ forgiven: Timestamp?, at now: Timestamp) -> Timestamp {
        max(now, forgiven ?? now).adding(seconds: seconds)
    }
}

/// How failed logins are slowed down.
///
/// Failures count against the address they come from and against the user. Where an address has logged in as the user
/// before, they count there apart: nobody locks such a user out by failing elsewhere. While a count is used up, no password
/// is looked at, right or wrong. The same wrong password again, from the same address for the same user, is no further
/// failure: a client with an old password locks nobody out. Times are of the steady clock.
package enum LoginLimits {
    static let address = FailureAllowance(burst: 100, seconds: 1)
    static let user = FailureAllowance(burst: 20, seconds: 3)
    static let knownSeconds = 30 * 86400.0
    /// How long a wrong password is remembered after it was tried last. A client that tries it less often uses up no count.
    package static let guessSeconds = 600.0

    /// Whether a wrong password is remembered.
    /// - Parameter guess: until when it is.
    package static func isRepeated(_ guess: Timestamp?, at now: Timestamp) -> Bool { guess.map { $0 > now } ?? false }

    /// Whether it is time to note that a wrong password was tried again.
    package static func isDue(_ guess: Timestamp?, at now: Timestamp) -> Bool {
        guess.map { $0.seconds(since: now) < guessSeconds / 2 } ?? true
    }

    package static func isKnown(_ record: LoginRecord, at now: Timestamp) -> Bool {
        record.knownUntil.map { $0 > now } ?? false
    }

    /// Seconds until an attempt is looked at; `nil` where it is at once.
    package static func delay(_ record: LoginRecord, at now: Timestamp) -> Double? {
        let counted = isKnown(record, at: now) ? record.userAtAddress : record.user
        let delays = [address.delay(record.address, at: now), user.delay(counted, at: now)]
        return delays.compactMap { $0 }.max()
    }

    package static func failed(_ record: LoginRecord, at now: Timestamp) -> LoginRecord {
        var record = record
        record.address = address.failed(record.address, at: now)
        if isKnown(record, at: now) {
            record.userAtAddress = user.failed(record.userAtAddress, at: now)
        } else {
            record.user = user.failed(record.user, at: now)
        }
        return record
    }

    /// - Returns: `nil` where nothing worth writing has changed.
    package static func succeeded(_ record: LoginRecord, at now: Timestamp) -> LoginRecord? {
        let until = now.adding(seconds: knownSeconds)
        if let known = record.knownUntil, until.seconds(since: known) < 86400 { return nil }
        var record = record
        record.knownUntil = until
        return record
    }
}
