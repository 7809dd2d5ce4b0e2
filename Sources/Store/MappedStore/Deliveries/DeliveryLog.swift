internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// The log: an entry for each attempt, indexed by destination and by payload.
extension MappedDeliveries {
    /// Limits of one query of a log: the entries that it reads, and the bytes of entries that it returns.
    static let linesLookedAt = 5000
    static let logBytes = 8 << 20

    /// Visits a destination's log entries with numbers below `before`, newest first, until `body` returns false. Damaged
    /// entries are skipped.
    func scanLog(
        of destination: UInt64, before: UInt64 = .max, in transaction: borrowing Transaction,
        _ body: (AttemptRecord) throws(LMDBError) -> Bool
    ) throws(LMDBError) {
        var end = before
        while true {
            var lines: [UInt64] = []
            try tables.attemptIndex.scanKeysBackwards(before: OwnedNumber(destination, end), in: transaction) { key in
                guard key.owner == destination, lines.count < 256 else { return false }
                lines.append(key.number)
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
        try tables.attempts.value(at: number, in: transaction)
    }

    /// A log entry; `nil` also if it is damaged.
    func readableLine(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> AttemptRecord? {
        try sparing("number \(number)") { () throws(LMDBError) in try logLine(number, in: transaction) }
    }

    /// The numbers of a payload's log entries, oldest first, including damaged ones.
    func lineNumbers(
        ofPayload number: UInt64, limit: Int = .max, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64] {
        var lines: [UInt64] = []
        try tables.attemptPayloads.scanKeys(from: OwnedNumber(number, 0), in: transaction) { key in
            guard lines.count < limit, key.owner == number else { return false }
            lines.append(key.number)
            return true
        }
        return lines
    }

    /// Visits a payload's log entries, oldest first, until `body` returns false. They are read one at a time: a payload that
    /// went to many destinations has too many to be held in memory.
    func scanLines(
        ofPayload number: UInt64, in transaction: borrowing Transaction,
        _ body: (AttemptRecord) throws(LMDBError) -> Bool
    ) throws(LMDBError) {
        for line in try lineNumbers(ofPayload: number, in: transaction) {
            if let record = try readableLine(line, in: transaction), try !body(record) { return }
        }
    }

    /// Delivers the payload of a log entry once more.
    /// - Parameter owner: reads the number of the destination whose log must have the entry; `nil` if there is no such
    ///   destination.
    func redeliver(
        _ entry: UInt64, for request: RequestID?, at moment: Moment,
        _ owner: (borrowing Transaction) throws(LMDBError) -> UInt64?
    ) throws(StoreFailure) -> Redelivery {
        try growing(of: "log entry \(entry)") { (transaction) throws(LMDBError) in
            if case .made(let id) = try outcome(of: request, in: transaction) { return .started(id) }
            guard let number = try owner(transaction) else { return .unknownDestination }
            guard let record = try readableLine(entry, in: transaction), record.destination == number else {
                return .unknownLine
            }
            guard let payload = try readablePayload(record.payload, in: transaction) else { return .gone }
            guard try admit(bytes: 1024, in: &transaction) else { return nil }
            var work = try DeliveryWork(self, at: moment, in: transaction)
            let isRepair = record.isFinal && record.attempt.failure != nil
            guard let id = try work.deliver(payload, to: number, .manual, isRepair: isRepair, in: &transaction) else {
                return .unknownDestination
            }
            try work.finish(in: &transaction)
            try remember(.made(id), of: request, in: &transaction)
            return .started(id)
        }
    }
}
