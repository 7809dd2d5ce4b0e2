internal import HTTP
internal import LMDB
internal import Queues
internal import Values

/// The steps of the operations of queues.
extension MappedQueues {
    // MARK: Queues

    func queueNumber(_ name: String, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.queueNames.value(at: NameDigest(name), in: transaction)
    }

    func queueSettings(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> QueueSettings? {
        try tables.queues.value(at: number, in: transaction)
    }

    func queueLog(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> QueueLog? {
        try tables.queueLogs.value(at: number, in: transaction)
    }

    func put(_ log: QueueLog, of queue: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try tables.queueLogs.put(log, at: queue, in: &transaction)
    }

    // MARK: Messages

    /// Bytes of records after which one answer ends. It has at least one message; the client continues after the last.
    private static let readBytes = 32 << 20

    /// The oldest `limit` messages after `cursor`, or fewer if they are large.
    func messages(
        of queue: UInt64, after cursor: UInt64, to end: UInt64 = .max, limit: Int,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> [NumberedMessage] {
        var found: [NumberedMessage] = []
        var bytes = 0
        var isDamaged = false
        try tables.messages.scan(of: queue, from: cursor + 1, to: end, in: transaction) { key, record in
            guard found.count < limit, bytes < Self.readBytes else { return false }
            bytes += record.byteCount
            guard let message = MessageRecord.decode(record, at: key) else {
                isDamaged = true
                return false
            }
            found.append(NumberedMessage(id: key.number, message: message))
            return true
        }
        if isDamaged { throw .damaged(MessageRecord.name) }
        return found
    }

    /// The range of the oldest `limit` messages after `cursor`, or fewer if they are large.
    func range(
        of queue: UInt64, after cursor: UInt64, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> MessageRange {
        var count = 0
        var bytes = 0
        var last = cursor
        try tables.messages.scan(of: queue, from: cursor + 1, to: .max, in: transaction) { key, record in
            guard count < limit, bytes < Self.readBytes else { return false }
            bytes += record.byteCount
            count += 1
            last = key.number
            return true
        }
        return MessageRange(queue: queue, after: cursor, last: last)
    }

    /// The most messages that one post removes itself. If more must go, it leaves all of them to the worker.
    private static let removedAtOnce: UInt64 = 64

    /// Rolls off the oldest messages until the queue is within its limits.
    func trim(
        _ log: inout QueueLog, of queue: Queue, in transaction: inout Transaction
    ) throws(LMDBError) {
        guard log.exceeds(queue.settings.limits) else { return }
        let (start, before) = (log.first, log.count)
        var trimmed = log
        try tables.messages.scan(of: queue.number, from: start, to: .max, in: transaction) { key, record in
            guard trimmed.exceeds(queue.settings.limits) else { return false }
            trimmed.rollOff(key.number, bytes: record.byteCount - MessageRecord.overhead)
            return true
        }
        log = trimmed
        if before - log.count <= Self.removedAtOnce {
            try tables.messages.remove(of: queue.number, from: start, to: log.first, in: &transaction)
        } else {
            try core.put(.messages(queue: queue.number), in: &transaction)
        }
    }

    // MARK: Users and clients

    func user(_ name: String, in transaction: borrowing Transaction) throws(LMDBError) -> User? {
        try tables.users.value(at: NameDigest(name), in: transaction)
    }

    /// The number of a user's right to a queue; `nil` if the user does not have it.
    func right(of user: UInt64, to queue: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.rights.value(at: OwnedNumber(user, queue), in: transaction)
    }

    func client(
        _ name: String, of user: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> ClientRecord? {
        try tables.clients.value(at: ClientKey(user, name), in: transaction)
    }

    func put(_ client: ClientRecord, of user: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try tables.clients.put(client, at: ClientKey(user, client.name), in: &transaction)
    }

    /// The log record of the queue that a client follows; `nil` if the client is disconnected.
    func log(
        of client: ClientRecord, of user: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> QueueLog? {
        guard try right(of: user, to: client.queue, in: transaction) == client.right else { return nil }
        return try queueLog(client.queue, in: transaction)
    }

    /// Lends a user's clients in the order of their keys until the body returns false. A client that cannot be read is
    /// `nil`.
    /// - Parameter start: a digest, or other bytes of any length. Clients whose digests are not after it are skipped.
    func scanClients(
        of user: UInt64, after start: [UInt8] = [], in transaction: borrowing Transaction,
        _ body: (ClientKey, ClientRecord?) -> Bool
    ) throws(LMDBError) {
        let key = ClientKey(user, NameDigest(padding: start))
        let isWhole = start.count >= NameDigest.byteCount
        try tables.clients.scan(from: isWhole ? nil : key, after: isWhole ? key : nil, in: transaction) { key, client in
            guard key.user == user else { return false }
            return body(key, client)
        }
    }

    // MARK: State

    func queueState(in transaction: borrowing Transaction) throws(LMDBError) -> QueueState {
        let found = try core.shared(
            tables.queueState,
            rebuilt: { () throws(LMDBError) in
                try tables.rebuiltQueueState(at: StoreMark.seconds(), in: transaction)
            }, in: transaction)
        guard let state = found else { throw .damaged(QueueState.name) }
        return state
    }

    /// The number of changes of the configuration in force.
    func queueRevision(in transaction: borrowing Transaction) throws(LMDBError) -> UInt64 {
        try tables.queueRevision.value(in: transaction) ?? 0
    }

    func bumpQueueRevision(in transaction: inout Transaction) throws(LMDBError) {
        let revision = try queueRevision(in: transaction)
        try tables.queueRevision.put(revision &+ 1, in: &transaction)
    }

    func put(_ state: QueueState, in transaction: inout Transaction) throws(LMDBError) {
        try tables.queueState.put(state, in: &transaction)
    }
}
