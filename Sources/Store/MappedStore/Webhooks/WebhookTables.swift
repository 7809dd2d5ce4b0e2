internal import Cryptography
internal import Delivery
internal import HTTP
internal import LMDB
internal import Values
internal import Webhooks

/// Building blocks of the operations on outbound webhooks.
extension MappedWebhooks {
    func webhookNumber(_ id: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.webhookIDs.value(at: id, in: transaction)
    }

    func webhook(number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Webhook? {
        guard let destination = try deliveries.destination(number, in: transaction),
            let state = try deliveries.destinationState(number, in: transaction)
        else { return nil }
        return try tables.webhooks.value(at: number, in: transaction)?.webhook(destination, state)
    }

    func webhook(_ id: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> Webhook? {
        guard let number = try webhookNumber(id, in: transaction) else { return nil }
        return try webhook(number: number, in: transaction)
    }

    /// Writes a webhook, its destination and its index entries, but not the destination's state.
    func put(_ webhook: Webhook, in transaction: inout Transaction) throws(LMDBError) {
        let number = webhook.destination.number
        try deliveries.put(webhook.destination, in: &transaction)
        try tables.webhooks.put(WebhookRecord(webhook), at: number, in: &transaction)
        try tables.webhookIDs.put(number, at: webhook.id, in: &transaction)
        try tables.environmentWebhooks.put(webhook.events, at: Owned(webhook.environment, number), in: &transaction)
    }

    /// The webhooks of an environment in the order of their numbers, with the event types of each.
    func subscriptions(
        of environment: UUID, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [(number: UInt64, events: [String])] {
        var found: [(UInt64, [String])] = []
        try tables.environmentWebhooks.scan(from: Owned(environment, 0), in: transaction) { key, events in
            guard key.owner == environment else { return false }
            found.append((key.number, events ?? []))
            return true
        }
        return found
    }

    // MARK: Keys

    func keyringNumber(of environment: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.environments.value(at: environment, in: transaction)?.keyring
    }

    /// An environment's keyring. If it has none, one is created with the key `first`; `nil` if that is `nil` too.
    func keyring(
        of environment: UUID, beginning first: Keyring.Key?, _ work: inout DeliveryWork,
        in transaction: inout Transaction
    ) throws(LMDBError) -> Keyring? {
        if let number = try keyringNumber(of: environment, in: transaction) {
            return try deliveries.keyring(number, in: transaction)
        }
        guard let first else { return nil }
        let keyring = Keyring(number: work.takeKeyringNumber(), keys: [first])
        try put(keyring, in: &transaction)
        try tables.environments.put(EnvironmentRecord(keyring: keyring.number), at: environment, in: &transaction)
        return keyring
    }

    func put(_ keyring: Keyring, in transaction: inout Transaction) throws(LMDBError) {
        try tables.keyrings.put(keyring, at: keyring.number, in: &transaction)
    }

    // MARK: Events

    func knownEvent(
        at key: EventKey, in transaction: borrowing Transaction
    ) throws(LMDBError) -> EventAcceptance? {
        guard let known = try tables.eventIDs.value(at: key, in: transaction), let count = known.deliveries,
            let payload = try deliveries.readablePayload(known.payload, in: transaction)
        else { return nil }
        return EventAcceptance(eventID: payload.eventID, deliveries: Int(clamping: count), isRepeated: true)
    }

    // MARK: Logs

    func logEntry(
        _ record: AttemptRecord, _ webhook: Webhook, in transaction: borrowing Transaction
    ) throws(LMDBError) -> LogEntry {
        LogEntry(
            webhook: webhook.id, environment: webhook.environment, line: record.line,
            requestBody: try deliveries.readablePayload(record.payload, in: transaction)?.body)
    }
}
