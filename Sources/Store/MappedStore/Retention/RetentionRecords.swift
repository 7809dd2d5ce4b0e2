internal import Delivery
internal import LMDB
internal import Values

/// The records that retention looks at: log entries and payloads.
enum Retention {
    enum Kind { case lines, payloads }

    /// How many records one step looks at.
    static let lookedAt = 10_000

    /// The values that determine a record's owner, and the record's size.
    struct Ownership {
        let destination: UInt64?
        let source: UUID?
        let bytes: Int
    }

    /// A record that may be dropped.
    struct Item {
        let what: What
        let time: Timestamp
        let bytes: UInt64

        enum What {
            case line(IndexedLine)
            case payload(Payload)
            case damagedPayload(UInt64)
        }
    }

    /// The result of a search through the records of a kind.
    struct Look {
        var found: [Item] = []
        /// The number to continue at; `nil` at the end.
        var next: UInt64?
    }

    struct Record {
        let number: UInt64
        let bytes: UInt64
        /// `nil` if the record is damaged.
        let content: (what: Item.What, time: Timestamp, ownership: Ownership)?
    }
}

extension MappedRetention {
    static func ownership(_ kind: Retention.Kind, _ number: UInt64, _ value: RawSpan) -> Retention.Ownership? {
        switch kind {
        case .lines:
            AttemptRecord(value).map {
                Retention.Ownership(destination: $0.destination, source: nil, bytes: value.byteCount)
            }
        case .payloads:
            PayloadRecord.decode(value, at: number).map {
                Retention.Ownership(destination: nil, source: $0.source, bytes: value.byteCount)
            }
        }
    }

    /// The owner of a record. For a routed event it is its source, which is the same for all routed events.
    func owner(_ record: Retention.Ownership, in transaction: borrowing Transaction) throws(LMDBError) -> UUID {
        if let source = record.source { return source }
        guard let destination = record.destination else { return EventKey.routedSource }
        return try tables.owner(of: destination, in: transaction)
    }

    /// Records of a kind, oldest first. A damaged record counts as old as the next one that is not.
    /// - Parameters:
    ///   - oldest: the time before which records are wanted; `nil`: all.
    ///   - isWanted: whether to include a record, by its number and its owner. Damaged records are always included.
    func oldestRecords(
        of kind: Retention.Kind, from start: UInt64 = 0, before oldest: Timestamp? = nil, limit: Int,
        lookingAt looks: Int = Retention.lookedAt, in transaction: borrowing Transaction,
        _ isWanted: (_ number: UInt64, _ owner: () throws(LMDBError) -> UUID) throws(LMDBError) -> Bool
    ) throws(LMDBError) -> Retention.Look {
        var look = Retention.Look()
        var damaged: [Retention.Item.What] = []
        var damagedBytes: [UInt64] = []
        func append(_ time: Timestamp) {
            for (what, bytes) in zip(damaged, damagedBytes) {
                look.found.append(Retention.Item(what: what, time: time, bytes: bytes))
            }
            (damaged, damagedBytes) = ([], [])
        }
        var (next, left) = (start, looks)
        while look.found.count < limit, left > 0 {
            let batch = try records(kind, from: next, limit: min(left, 256), in: transaction)
            for record in batch {
                next = record.number + 1
                left -= 1
                guard let (what, time, ownership) = record.content else {
                    let gone: Retention.Item.What =
                        kind == .lines ? .line(IndexedLine(number: record.number)) : .damagedPayload(record.number)
                    // If there are enough records, only the time of the damaged ones is still to be found.
                    if look.found.count + damaged.count < limit {
                        damaged.append(gone)
                        damagedBytes.append(record.bytes)
                    }
                    continue
                }
                guard oldest.map({ time < $0 }) ?? true else { return look }
                append(time)
                guard look.found.count < limit else { break }
                if try isWanted(record.number, { () throws(LMDBError) in try owner(ownership, in: transaction) }) {
                    look.found.append(Retention.Item(what: what, time: time, bytes: record.bytes))
                }
            }
            if batch.count < min(left + batch.count, 256) {
                if oldest == nil { append(Timestamp(microseconds: .min)) }
                return look
            }
        }
        look.next = next
        return look
    }

    private func records(
        _ kind: Retention.Kind, from start: UInt64, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [Retention.Record] {
        let table = kind == .lines ? tables.attempts.bytes : tables.payloads.bytes
        var found: [Retention.Record] = []
        try table.scan(from: start.keyBytes, in: transaction) { key, value in
            var reader = ByteReader(key)
            guard found.count < limit, let number = reader.fixed(), number < .max else { return false }
            found.append(
                Retention.Record(
                    number: number, bytes: UInt64(value.byteCount), content: Self.content(kind, number, value)))
            return true
        }
        return found
    }

    private static func content(
        _ kind: Retention.Kind, _ number: UInt64, _ value: RawSpan
    ) -> (what: Retention.Item.What, time: Timestamp, ownership: Retention.Ownership)? {
        switch kind {
        case .lines:
            guard let record = AttemptRecord(value) else { return nil }
            let line = IndexedLine(number: number, destination: record.destination, payload: record.payload)
            return (
                .line(line), record.attempt.triggeredAt,
                Retention.Ownership(destination: record.destination, source: nil, bytes: value.byteCount)
            )
        case .payloads:
            guard let payload = PayloadRecord.decode(value, at: number) else { return nil }
            // Leave out the body, as there may be hundreds of payloads.
            let bare = Payload.Content(
                eventID: payload.eventID, idempotencyKey: payload.idempotencyKey, event: payload.event,
                source: payload.source, body: [])
            return (
                .payload(Payload(number: number, bare, receivedAt: payload.receivedAt)), payload.receivedAt,
                Retention.Ownership(destination: nil, source: payload.source, bytes: value.byteCount)
            )
        }
    }
}
