internal import HTTP
internal import LMDB
internal import Queues
package import Values

/// The steps that the operations of queues are made of.
extension MappedQueues {
    // MARK: Queues

    func queueNumber(_ name: String, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.queueNames.number(at: nameKey(name), in: transaction)
    }

    func queueSettings(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> QueueSettings? {
        try tables.queues.record(at: key(number), "a queue's settings", in: transaction) {
            QueueSettingsRecord.decode($0)
        }
    }

    func queueLog(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> QueueLog? {
        try tables.queueLogs.record(at: key(number), "a queue's log", in: transaction) { QueueLogRecord.decode($0) }
    }

    func put(_ log: QueueLog, of queue: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try tables.queueLogs.put(QueueLogRecord.encode(log), at: key(queue), in: &transaction)
    }

    // MARK: Messages

    /// What one answer hands out at the most, after its first message: a client goes on with what follows.
    private static let readBytes = 32 << 20

    /// Messages of a queue behind `cursor`, the oldest `limit` of them, or fewer where they are large.
    func messages(
        of queue: UInt64, after cursor: UInt64, to end: UInt64 = .max, limit: Int,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> [NumberedMessage] {
        var found: [NumberedMessage] = []
        var bytes = 0
        var isDamaged = false
        try tables.messages.scan(of: queue, from: cursor + 1, to: end, in: transaction) { id, record in
            guard found.count < limit, bytes < Self.readBytes else { return false }
            bytes += record.byteCount
            guard let message = MessageRecord.decode(record) else {
                isDamaged = true
                return false
            }
            found.append(NumberedMessage(id: id, message: message))
            return true
        }
        if isDamaged { throw .damaged("a message's record") }
        return found
    }

    /// The range of the messages behind `cursor`, the oldest `limit` of them, or fewer where they are large.
    func range(
        of queue: UInt64, after cursor: UInt64, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> MessageRange {
        var count = 0
        var bytes = 0
        var last = cursor
        try tables.messages.scan(of: queue, from: cursor + 1, to: .max, in: transaction) { id, record in
            guard count < limit, bytes < Self.readBytes else { return false }
            bytes += record.byteCount
            count += 1
            last = id
            return true
        }
        return MessageRange(queue: queue, after: cursor, last: last)
    }

    /// Messages that one post may remove by itself; it leaves more of them to the worker.
    private static let removedAtOnce: UInt64 = 64

    /// Lets messages roll off until the queue is within its limits.
    func trim(
        _ log: inout QueueLog, of queue: Queue, in transaction: inout Transaction
    ) throws(LMDBError) {
        guard log.exceeds(queue.settings.limits) else { return }
        let (start, before) = (log.first, log.count)
        var trimmed = log
        try tables.messages.scan(of: queue.number, from: start, to: .max, in: transaction) { id, record in
            guard trimmed.exceeds(queue.settings.limits) else { return false }
            trimmed.rollOff(id, bytes: record.byteCount - MessageRecord.overhead)
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
        try tables.users.record(at: nameKey(name), "a user", in: transaction) { UserRecord.decode($0) }
    }

    /// The number of a user's right to a queue; `nil` where it has none.
    func right(of user: UInt64, to queue: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.rights.number(at: key(user, queue), in: transaction)
    }

    func client(
        _ name: String, of user: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> ClientRecord? {
        try tables.clients.record(at: ClientRecord.place(user, name), "a client", in: transaction) { ClientRecord($0) }
    }

    func put(_ client: ClientRecord, of user: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try tables.clients.put(client.encoded, at: ClientRecord.place(user, client.name), in: &transaction)
    }

    /// The log of the queue that a client follows; `nil` where it is disconnected.
    func log(
        of client: ClientRecord, of user: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> QueueLog? {
        guard try right(of: user, to: client.queue, in: transaction) == client.right else { return nil }
        return try queueLog(client.queue, in: transaction)
    }

    /// Lends a user's clients behind `key`, in the order of their keys, until the body says no.
    func scanClients(
        of user: UInt64, after start: [UInt8] = [], in transaction: borrowing Transaction,
        _ body: (RawSpan, RawSpan) -> Bool
    ) throws(LMDBError) {
        let prefix = key(user)
        // The next key after one is the same with a zero behind it.
        try tables.clients.scan(from: prefix + (start.isEmpty ? [] : start + [0]), in: transaction) { key, record in
            guard key.byteCount > prefix.count, copy(key.extracting(first: prefix.count)) == prefix else {
                return false
            }
            return body(key, record)
        }
    }

    // MARK: State

    func queueState(in transaction: borrowing Transaction) throws(LMDBError) -> QueueState {
        let found = try core.shared(
            at: Tables.queuesKey, "the state of queues", in: transaction, { QueueState($0) },
            rebuilt: { () throws(LMDBError) in
                try tables.rebuiltQueueState(at: StoreMark.seconds(), in: transaction)
            })
        guard let state = found else { throw .damaged("the state of queues") }
        return state
    }

    /// Counts the changes of what is in force.
    func queueRevision(in transaction: borrowing Transaction) throws(LMDBError) -> UInt64 {
        try tables.meta.number(at: Tables.queueRevisionKey, in: transaction) ?? 0
    }

    func bumpQueueRevision(in transaction: inout Transaction) throws(LMDBError) {
        let revision = try queueRevision(in: transaction)
        try tables.meta.put(key(revision &+ 1), at: Tables.queueRevisionKey, in: &transaction)
    }

    func put(_ state: QueueState, in transaction: inout Transaction) throws(LMDBError) {
        try tables.meta.put(state.encoded, at: Tables.queuesKey, in: &transaction)
    }
}

extension MappedQueues {
    /// Tells clients of queues that messages may have been lost.
    package func beginAnew() throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            let state = try queueState(in: transaction).begunAnew(at: StoreMark.seconds())
            try put(state, in: &transaction)
        }
        try core.commit()
        try core.settle()
    }
}

extension Table {
    /// A record under a key; `nil` where there is none. One that cannot be read is damage.
    func record<Record>(
        at key: [UInt8], _ what: String, in transaction: borrowing Transaction, _ decode: (RawSpan) -> Record?
    ) throws(LMDBError) -> Record? {
        guard let found = try value(at: key, in: transaction, decode) else { return nil }
        guard let record = found else { throw .damaged(what) }
        return record
    }

    /// A record under a key; `nil` where there is none, as where it cannot be read.
    func readable<Record>(
        at key: [UInt8], in transaction: borrowing Transaction, _ decode: (RawSpan) -> Record?
    ) throws(LMDBError) -> Record? {
        guard let record = try value(at: key, in: transaction, decode) else { return nil }
        return record
    }

    /// A number of eight bytes under a key; `nil` where there is none.
    func number(at key: [UInt8], in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try record(at: key, "a number", in: transaction) { span in
            var reader = ByteReader(span)
            return reader.fixed()
        }
    }
}
