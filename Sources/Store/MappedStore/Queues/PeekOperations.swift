internal import LMDB
package import Queues
package import Values

/// Looking at messages without reading them.
extension MappedQueues {
    package func peek(
        at queue: String, for user: User, before id: UInt64?, limit: Int
    ) throws(StoreFailure) -> QueuePeek? {
        try read(of: "queue \(queue)") { (transaction) throws(LMDBError) in
            guard let (number, log) = try readable(queue, by: user, in: transaction) else { return nil }
            var found: [MessagePiece] = []
            var bytes = 0
            var next: UInt64?
            var damaged: [UInt64] = []
            try tables.messages.scanBackwards(of: number, from: log.first, to: id ?? .max, in: transaction) {
                key, record in
                guard found.count < limit, bytes < QueuePeek.allBytes else {
                    next = found.last?.numbered.id
                    return false
                }
                guard let piece = MessageRecord.piece(record, key.number, atMost: QueuePeek.shownBytes) else {
                    damaged.append(key.number)
                    return true
                }
                bytes += 64 + piece.numbered.message.body.count
                found.append(piece)
                return true
            }
            for id in damaged { noteDamage("a message's record is damaged: number \(id)") }
            return QueuePeek(log: log, messages: found, next: next)
        }
    }

    package func message(_ id: UInt64, of queue: String, for user: User) throws(StoreFailure) -> MessageLookup {
        try read(of: "queue \(queue)") { (transaction) throws(LMDBError) in
            guard let (number, log) = try readable(queue, by: user, in: transaction) else { return .unknownQueue }
            var found: MessagePiece?
            var isDamaged = false
            // Messages that have rolled off may be there still.
            guard id >= log.first, id < .max else { return .unknownMessage }
            try tables.messages.scan(of: number, from: id, to: id + 1, in: transaction) { _, record in
                found = MessageRecord.piece(record, id, atMost: ReadOutcome.shortBytes)
                isDamaged = found == nil
                return false
            }
            if isDamaged { throw .damaged(MessageRecord.name) }
            return found.map { .found($0, MessageRange(queue: number, after: id - 1, last: id)) } ?? .unknownMessage
        }
    }

    /// The number and the log of a queue that a user may read; `nil` if there is none.
    private func readable(
        _ queue: String, by user: User, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (number: UInt64, log: QueueLog)? {
        guard let number = try queueNumber(queue, in: transaction),
            try right(of: user.number, to: number, in: transaction) != nil,
            let log = try queueLog(number, in: transaction)
        else { return nil }
        return (number, log)
    }

    /// When the first message after `cursor` was received; `nil` if there is none.
    func received(
        after cursor: UInt64, of queue: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Timestamp? {
        var isDamaged = false
        var time: Timestamp?
        try tables.messages.scan(of: queue, from: cursor + 1, to: .max, in: transaction) { key, record in
            time = MessageRecord.piece(record, key.number, atMost: 0)?.numbered.message.receivedAt
            isDamaged = time == nil
            return false
        }
        if isDamaged { throw .damaged(MessageRecord.name) }
        return time
    }

    /// When the newest message of a queue was received; `nil` if it is empty, or the message is damaged.
    func newestReceived(
        of queue: UInt64, _ log: QueueLog, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Timestamp? {
        var time: Timestamp?
        try tables.messages.scanBackwards(of: queue, from: log.first, to: .max, in: transaction) { key, record in
            time = MessageRecord.piece(record, key.number, atMost: 0)?.numbered.message.receivedAt
            return false
        }
        return time
    }
}

extension MessageRecord {
    /// A message with at most so many bytes of its body; `nil` if the record is damaged.
    fileprivate static func piece(_ record: RawSpan, _ id: UInt64, atMost bytes: Int) -> MessagePiece? {
        decode(record, bodyLimit: bytes).map { message, bodyBytes in
            MessagePiece(numbered: NumberedMessage(id: id, message: message), bodyBytes: bodyBytes)
        }
    }
}
