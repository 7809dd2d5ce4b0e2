internal import HTTP
internal import Queues
internal import Values

/// Failed logins that a full store has no room for. This process counts them all the same.
struct LoginsWithoutRoom {
    private var addresses: [[UInt8]: Timestamp] = [:]
    private var users: [String: Timestamp] = [:]
    /// Counts of users at networks that they have logged in from.
    private var usersAtAddresses: [AddressedUser: Timestamp] = [:]

    private struct AddressedUser: Hashable {
        let name: String
        let network: [UInt8]?
    }

    private func addressed(_ attempt: LoginAttempt) -> AddressedUser {
        AddressedUser(name: attempt.name, network: attempt.network)
    }

    private var guesses: [[UInt8]: Timestamp] = [:]

    /// The most entries. Beyond it all are forgotten: by then every address has failed too often.
    private static let limit = 10_000

    var isEmpty: Bool { addresses.isEmpty && users.isEmpty && usersAtAddresses.isEmpty }

    /// Whether the same wrong password has been counted here.
    func isRepeated(_ attempt: LoginAttempt, at now: Timestamp) -> Bool {
        guard !guesses.isEmpty, let guess = attempt.guess else { return false }
        return LoginLimits.isRepeated(guesses[guess], at: now)
    }

    /// - Parameter stored: the counts in the store.
    mutating func fail(_ attempt: LoginAttempt, at now: Timestamp, after stored: LoginRecord) {
        if guesses.count >= Self.limit { guesses = [:] }
        if let guess = attempt.guess { guesses[guess] = now.adding(seconds: LoginLimits.guessSeconds) }
        if max(users.count, addresses.count, usersAtAddresses.count) >= Self.limit { self = LoginsWithoutRoom() }
        let record = LoginLimits.failed(adding(to: stored, attempt), at: now)
        users[attempt.name] = record.user
        usersAtAddresses[addressed(attempt)] = record.userAtAddress
        if let network = attempt.network { addresses[network] = record.address }
    }

    /// The stored counts combined with those of this process: for each, the later time at which it is forgiven.
    func adding(to stored: LoginRecord, _ attempt: LoginAttempt) -> LoginRecord {
        func later(_ left: Timestamp?, _ right: Timestamp?) -> Timestamp? {
            guard let left, let right else { return left ?? right }
            return max(left, right)
        }
        var record = stored
        record.user = later(stored.user, users[attempt.name])
        record.userAtAddress = later(stored.userAtAddress, usersAtAddresses[addressed(attempt)])
        record.address = later(stored.address, attempt.network.flatMap { addresses[$0] })
        return record
    }
}
