internal import Cryptography
internal import Delivery
internal import HTTP
internal import LMDB
internal import Values
internal import Webhooks

/// The steps that the operations of outbound webhooks are made of.
extension MappedWebhooks {
    func webhookNumber(_ id: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.webhookIDs.number(at: id.bytes, in: transaction)
    }

    func webhook(number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Webhook? {
        guard let destination = try deliveries.destination(number, in: transaction),
            let state = try deliveries.destinationState(number, in: transaction)
        else { return nil }
        return try tables.webhooks.record(at: key(number), "a webhook", in: transaction) {
            WebhookRecord.decode($0, destination, state)
        }
    }

    func webhook(_ id: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> Webhook? {
        guard let number = try webhookNumber(id, in: transaction) else { return nil }
        return try webhook(number: number, in: transaction)
    }

    /// Writes a webhook and its destination, and not how that one stands.
    func put(_ webhook: Webhook, in transaction: inout Transaction) throws(LMDBError) {
        let number = webhook.destination.number
        try deliveries.put(webhook.destination, in: &transaction)
        try tables.webhooks.put(WebhookRecord.encode(webhook), at: key(number), in: &transaction)
        try tables.webhookIDs.put(key(number), at: webhook.id.bytes, in: &transaction)
        try tables.environmentWebhooks.put(
            WebhookRecord.encode(events: webhook.events), at: webhook.environment.bytes + key(number), in: &transaction)
    }

    /// The webhooks of an environment by number, and the events of each.
    func subscriptions(
        of environment: UUID, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [(number: UInt64, events: [String])] {
        var found: [(UInt64, [String])] = []
        try tables.environmentWebhooks.scan(from: environment.bytes, in: transaction) { key, value in
            var reader = ByteReader(key)
            guard reader.take(16) == environment.bytes, let number = reader.fixed() else { return false }
            found.append((number, WebhookRecord.events(value)))
            return true
        }
        return found
    }

    // MARK: Keys

    func keyringNumber(of environment: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.environments.number(at: environment.bytes, in: transaction)
    }

    /// An environment's keyring; `nil` where there is none and no key to begin one with.
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
        try tables.environments.put(key(keyring.number), at: environment.bytes, in: &transaction)
        return keyring
    }

    func put(_ keyring: Keyring, in transaction: inout Transaction) throws(LMDBError) {
        try tables.keyrings.put(KeyringRecord.encode(keyring), at: key(keyring.number), in: &transaction)
    }

    // MARK: Events

    func knownEvent(
        at place: [UInt8], in transaction: borrowing Transaction
    ) throws(LMDBError) -> EventAcceptance? {
        let found = try tables.eventIDs.record(at: place, "an event's id", in: transaction) {
            span -> (UInt64, UInt64)? in
            var reader = ByteReader(span)
            guard let parcel = reader.number(), let count = reader.number(), reader.isAtEnd else { return nil }
            return (parcel, count)
        }
        guard let (number, count) = found, let parcel = try deliveries.readableParcel(number, in: transaction) else {
            return nil
        }
        return EventAcceptance(eventID: parcel.eventID, deliveries: Int(clamping: count), isRepeated: true)
    }

    // MARK: Logs

    func logEntry(
        _ record: AttemptRecord, _ webhook: Webhook, in transaction: borrowing Transaction
    ) throws(LMDBError) -> LogEntry {
        LogEntry(
            id: record.number, webhook: webhook.id, environment: webhook.environment, event: record.event,
            eventID: record.eventID, attempt: record.count, trigger: record.trigger, method: record.method,
            url: record.url, outcome: record.attempt,
            requestBody: try deliveries.readableParcel(record.parcel, in: transaction)?.body,
            nextRetryAt: record.nextRetryAt, isFinal: record.isFinal)
    }
}
