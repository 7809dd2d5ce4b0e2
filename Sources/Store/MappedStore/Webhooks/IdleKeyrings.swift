internal import Delivery
internal import HTTP
internal import LMDB
internal import Storage
package import Values

/// Removes the keys of environments that have had no webhooks for a day.
extension MappedWebhooks: WebhookMaintenance {
    /// How long keys are kept after they were made, or after the environment's last webhook was deleted, whichever is later.
    package static let idleKeyringSeconds = 86_400.0

    /// Records the time from which an environment has no webhooks. Does nothing if it still has some.
    func noteIdle(_ environment: UUID, at now: Timestamp, in transaction: inout Transaction) throws(LMDBError) {
        guard var record = try tables.environments.value(at: environment, in: transaction),
            try subscriptions(of: environment, in: transaction).isEmpty
        else { return }
        record.idleSince = now
        try tables.environments.put(record, at: environment, in: &transaction)
    }

    /// Removes the keys of environments that have had no webhooks for a day. Writes nothing if there are no such
    /// environments.
    /// - Parameters:
    ///   - now: on the wall clock.
    ///   - start: the key to begin at.
    ///   - limit: how many environments to look at.
    /// - Returns: the key to continue at; empty if all have been looked at.
    package func forgetIdleKeyrings(
        at now: Timestamp, from start: [UInt8], limit: Int
    ) throws(StoreFailure) -> [UInt8] {
        var next: [UInt8] = []
        let idle = try read { (transaction) throws(LMDBError) in
            var environments: [UUID] = []
            try tables.environments.scanKeys(from: UUID(keyBytes: start), in: transaction) { environment in
                guard environments.count < limit else {
                    next = environment.keyBytes
                    return false
                }
                environments.append(environment)
                return true
            }
            var idle: [UUID] = []
            for environment in environments {
                if try isIdle(environment, at: now, in: transaction) { idle.append(environment) }
            }
            return idle
        }
        guard !idle.isEmpty else { return next }
        try write { (transaction) throws(LMDBError) in
            for environment in idle where try isIdle(environment, at: now, in: transaction) {
                guard let number = try keyringNumber(of: environment, in: transaction) else { continue }
                try tables.keyrings.remove(number, in: &transaction)
                try tables.environments.remove(environment, in: &transaction)
            }
        }
        return next
    }

    private func isIdle(
        _ environment: UUID, at now: Timestamp, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        guard try subscriptions(of: environment, in: transaction).isEmpty,
            let record = try tables.environments.value(at: environment, in: transaction),
            let keyring = try sparing(
                "keyring \(record.keyring)",
                { () throws(LMDBError) in
                    try deliveries.keyring(record.keyring, in: transaction)
                })
        else { return false }
        let made = keyring.keys.map(\.created).max() ?? now
        let since = record.idleSince.map { max(made, $0) } ?? made
        return now.seconds(since: since) > Self.idleKeyringSeconds
    }
}
