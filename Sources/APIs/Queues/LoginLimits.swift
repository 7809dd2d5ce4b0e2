internal import Cryptography
internal import HTTP
package import Values

/// A login attempt: failed logins are counted by its name and network.
package struct LoginAttempt: Equatable, Sendable {
    package let name: String
    /// An IPv4 address, or the first 64 bits of an IPv6 address, which belong to one customer; `nil` if unknown.
    package let network: [UInt8]?
    /// A keyed digest (32 bytes) by which a repeated password is recognized, for this name and this network. It reveals
    /// nothing about the password without the key. `nil`: every failure counts.
    package let guess: [UInt8]?

    package init(name: String, address: String?, guess: [UInt8]? = nil) {
        self.name = name
        let bytes = address.flatMap { IPAddress($0)?.bytes }
        network = bytes.map { $0.count == 4 ? $0 : Array($0.prefix(8)) }
        self.guess = guess
    }

    private init(name: String, network: [UInt8]?, guess: [UInt8]) {
        (self.name, self.network, self.guess) = (name, network, guess)
    }

    /// The same attempt with the digest of the password that was tried.
    func guessing(_ password: [UInt8], key: [UInt8]) -> LoginAttempt {
        let text = [Array(name.utf8), network ?? [], password].flatMap { Array("\($0.count):".utf8) + $0 }
        return LoginAttempt(
            name: name, network: network, guess: DigestAlgorithm.sha256.authenticationCode(of: text, key: key))
    }
}

/// The state of earlier logins: for each count, when all its failures will have expired; `nil` if there are none.
package struct LoginRecord: Equatable, Sendable {
    package var address: Timestamp?
    package var user: Timestamp?
    /// The failures of the user at this address, counted once the user has logged in there.
    package var userAtAddress: Timestamp?
    /// Until when this address counts as one from which the user logs in.
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

/// Allows `burst` failures at once, and one more every `seconds` seconds.
struct FailureAllowance {
    let burst: Int
    let seconds: Double

    /// Seconds until the next attempt is checked; `nil` if it is checked at once.
    func delay(_ forgiven: Timestamp?, at now: Timestamp) -> Double? {
        guard let forgiven else { return nil }
        // There cannot be many more failures than the burst; a later time was stored by a clock that was ahead.
        let debt = min(forgiven.seconds(since: now), 2 * Double(burst) * seconds)
        let delay = debt - Double(burst - 1) * seconds
        return delay > 0 ? delay : nil
    }

    func failed(_ forgiven: Timestamp?, at now: Timestamp) -> Timestamp {
        max(now, forgiven ?? now).adding(seconds: seconds)
    }
}

/// The limits that slow down failed logins.
///
/// Failures count against the address that they come from, and against the user. An address from which the user has
/// logged in before has its own count for that user, so that failures elsewhere do not lock the user out. While a count
/// is used up, passwords are not checked, right or wrong. The same wrong password for the same user from the same address
/// counts only once: a client with an old password does not lock anybody out. Times are on the steady clock.
package enum LoginLimits {
    static let address = FailureAllowance(burst: 100, seconds: 1)
    static let user = FailureAllowance(burst: 20, seconds: 3)
    static let knownSeconds = 30 * 86400.0
    /// How long a wrong password is remembered after its last use. A client that tries it more rarely is counted each time,
    /// but too rarely to use up a count.
    package static let guessSeconds = 600.0

    /// Whether a wrong password is still remembered.
    /// - Parameter guess: until when it is remembered.
    package static func isRepeated(_ guess: Timestamp?, at now: Timestamp) -> Bool { guess.map { $0 > now } ?? false }

    /// Whether to store that a wrong password was tried again.
    package static func isDue(_ guess: Timestamp?, at now: Timestamp) -> Bool {
        guess.map { $0.seconds(since: now) < guessSeconds / 2 } ?? true
    }

    package static func isKnown(_ record: LoginRecord, at now: Timestamp) -> Bool {
        record.knownUntil.map { $0 > now } ?? false
    }

    /// Seconds until an attempt is checked; `nil` if it is checked at once.
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

    /// - Returns: `nil` if the change is too small to be stored.
    package static func succeeded(_ record: LoginRecord, at now: Timestamp) -> LoginRecord? {
        let until = now.adding(seconds: knownSeconds)
        if let known = record.knownUntil, until.seconds(since: known) < 86400 { return nil }
        var record = record
        record.knownUntil = until
        return record
    }
}
