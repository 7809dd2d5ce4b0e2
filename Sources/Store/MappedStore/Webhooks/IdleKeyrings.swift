internal import Delivery
internal import HTTP
internal import LMDB
internal import Storage
package import Values

/// Keys of environments that have no webhooks: they are kept for a day.
extension MappedWebhooks: WebhookMaintenance {
    /// How long the keys stay after they were made, or after the environment's last webhook was deleted.
    package static let idleKeyringSeconds = 86_400.0

    /// Notes that an environment has no webhooks from now on.
    func noteIdle(_ environment: UUID, at now: Timestamp, in transaction: inout Transaction) throws(LMDBError) {
        guard let number = try keyringNumber(of: environment, in: transaction),
            try subscriptions(of: environment, in: transaction).isEmpty
        else { return }
        let record = key(number, UInt64(bitPattern: now.microseconds))
        try tables.environments.put(record, at: environment.bytes, in: &transaction)
    }

    /// Removes keys that nothing was signed with for a day; writes nothing where there are none.
    /// - Parameters:
    ///   - now: by the time of day.
    ///   - start: the key to begin at.
    ///   - limit: how many environments to look at.
    /// - Returns: the key to go on at; empty where all have been looked at.
    package func forgetIdleKeyrings(
        at now: Timestamp, from start: [UInt8], limit: Int
    ) throws(StoreFailure) -> [UInt8] {
        var next: [UInt8] = []
        let idle = try read { (transaction) throws(LMDBError) in
            var places: [[UInt8]] = []
            try tables.environments.scan(from: start, in: transaction) { place, _ in
                guard places.count < limit else {
                    next = copy(place)
                    return false
                }
                places.append(copy(place))
                return true
            }
            var idle: [UUID] = []
            for place in places {
                guard let environment = UUID(bytes: place) else { continue }
                if try isIdle(environment, at: now, in: transaction) { idle.append(environment) }
            }
            return idle
        }
        guard !idle.isEmpty else { return next }
        try write { (transaction) throws(LMDBError) in
            for environment in idle where try isIdle(environment, at: now, in: transaction) {
                guard let number = try keyringNumber(of: environment, in: transaction) else { continue }
                try tables.keyrings.remove(key(number), in: &transaction)
                try tables.environments.remove(environment.bytes, in: &transaction)
            }
        }
        return next
    }

    private func isIdle(
        _ environment: UUID, at now: Timestamp, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        guard try subscriptions(of: environment, in: transaction).isEmpty,
            let number = try keyringNumber(of: environment, in: transaction),
            let keyring = try sparing(
                "keyring \(number)",
                { () throws(LMDBError) in
                    try deliveries.keyring(number, in: transaction)
                })
        else { return false }
        let noted = try tables.environments.readable(at: environment.bytes, in: transaction) { span -> Int64? in
            var reader = ByteReader(span)
            _ = reader.fixed()
            return reader.fixedSigned()
        }
        let made = keyring.keys.map(\.created).max() ?? now
        let since = noted.map { max(made, Timestamp(microseconds: $0)) } ?? made
        return now.seconds(since: since) > Self.idleKeyringSeconds
    }
}
