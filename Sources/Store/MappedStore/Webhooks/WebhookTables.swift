internal import Cryptography
internal import Delivery
internal import HTTP
internal import LMDB
internal import Values
internal import Webhooks

/// The steps that the operations of outbound webhooks are made of.
extension MappedStore {
    func webhookNumber(_ id: UUID, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.webhookIDs.number(at: id.bytes, in: transaction)
    }

    func webhook(number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Webhook? {
        guard let destination = try destination(number, in: transaction),
            let state = try destinationState(number, in: transaction)
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
        try put(webhook.destination, in: &transaction)
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

    /// An environment's keyring; made where there is none, and `nil` where no key could be made.
    func keyring(
        of environment: UUID, _ work: inout DeliveryWork, in transaction: inout Transaction,
        _ make: () -> Keyring.Key?
    ) throws(LMDBError) -> Keyring? {
        if let number = try keyringNumber(of: environment, in: transaction) {
            return try keyring(number, in: transaction)
        }
        guard let first = make() else { return nil }
        let keyring = Keyring(number: work.takeKeyringNumber(), keys: [first])
        try put(keyring, in: &transaction)
        try tables.environments.put(key(keyring.number), at: environment.bytes, in: &transaction)
        return keyring
    }

    func put(_ keyring: Keyring, in transaction: inout Transaction) throws(LMDBError) {
        try tables.keyrings.put(KeyringRecord.encode(keyring), at: key(keyring.number), in: &transaction)
    }

    // MARK: Events

    /// What an event is known by: its own id, or the idempotency key that it came with.
    func eventKey(_ environment: UUID, _ kind: EventKey, _ text: String) -> [UInt8] {
        environment.bytes + DigestAlgorithm.sha256.digest(of: [kind.rawValue] + Array(text.utf8))
    }

    enum EventKey: UInt8 {
        case id = 1
        case idempotencyKey
        /// Of an event that is routed, under the id that it was given here.
        case routed
    }

    func knownEvent(
        at place: [UInt8], in transaction: borrowing Transaction
    ) throws(LMDBError) -> EventAcceptance? {
        let found = try tables.eventIDs.record(at: place, "an event's id", in: transaction) {
            span -> (UInt64, UInt64)? in
            var reader = ByteReader(span)
            guard let parcel = reader.number(), let deliveries = reader.number(), reader.isAtEnd else { return nil }
            return (parcel, deliveries)
        }
        guard let (number, deliveries) = found, let parcel = try readableParcel(number, in: transaction) else {
            return nil
        }
        return EventAcceptance(eventID: parcel.eventID, deliveries: Int(clamping: deliveries), isRepeated: true)
    }

    // MARK: Logs

    /// Lends a destination's log backwards from before a line, newest first, until the body says no. Lines that are damaged are
    /// passed over.
    func scanLog(
        of destination: UInt64, before: UInt64 = .max, in transaction: borrowing Transaction,
        _ body: (AttemptRecord) throws(LMDBError) -> Bool
    ) throws(LMDBError) {
        var end = before
        while true {
            var lines: [UInt64] = []
            try tables.attemptIndex.scanBackwards(before: key(destination, end), in: transaction) { place, _ in
                guard let (owner, line) = BoundedLog.entry(place), owner == destination, lines.count < 256 else {
                    return false
                }
                lines.append(line)
                return true
            }
            for line in lines {
                guard let record = try readableLine(line, in: transaction) else { continue }
                guard try body(record) else { return }
            }
            guard let last = lines.last, lines.count == 256 else { return }
            end = last
        }
    }

    func logLine(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> AttemptRecord? {
        try tables.attempts.record(at: key(number), "a log's line", in: transaction) { AttemptRecord($0) }
    }

    /// A line of the log; `nil` also where it is damaged.
    func readableLine(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> AttemptRecord? {
        try sparing("number \(number)") { () throws(LMDBError) in try logLine(number, in: transaction) }
    }

    func logEntry(
        _ record: AttemptRecord, _ webhook: Webhook, in transaction: borrowing Transaction
    ) throws(LMDBError) -> LogEntry {
        LogEntry(
            id: record.number, webhook: webhook.id, environment: webhook.environment, event: record.event,
            eventID: record.eventID, attempt: record.count, trigger: record.trigger, method: record.method,
            url: record.url, outcome: record.attempt,
            requestBody: try readableParcel(record.parcel, in: transaction)?.body,
            nextRetryAt: record.nextRetryAt, isFinal: record.isFinal)
    }
}
