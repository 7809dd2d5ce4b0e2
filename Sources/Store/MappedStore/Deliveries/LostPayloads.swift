internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// A payload whose delivery to a destination was given up, and that has not been delivered there since.
struct LostPayload: Equatable, KeylessRecord {
    typealias Key = OwnedNumber
    static let name = "a lost payload"

    /// Whether a new delivery of the payload is pending. Its log entries are then not in the index by entry (`lostLines`).
    var isOnItsWay = false
    /// The log entries of the attempts after which it was given up, oldest first.
    var lines: [Line] = []

    struct Line: Equatable {
        let number: UInt64
        /// On the wall clock.
        let time: Timestamp

        init(number: UInt64, time: Timestamp) {
            self.number = number
            self.time = time
        }

        /// A log entry with the time at which its attempt ended.
        init(_ record: AttemptRecord) {
            number = record.number
            time = record.attempt.triggeredAt.adding(seconds: Double(record.attempt.durationMilliseconds) / 1000)
        }
    }

    /// Only the last 16 failures of a payload are kept.
    static let maximumLines = 16
    private static let version: UInt8 = 1

    init() {}

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 32)
        writer.byte(Self.version)
        writer.byte(isOnItsWay ? 1 : 0)
        for line in lines {
            writer.fixed(line.number)
            writer.fixed(line.time.microseconds)
        }
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let flag = reader.byte(), flag <= 1 else { return nil }
        isOnItsWay = flag == 1
        while !reader.isAtEnd {
            guard let number = reader.fixed(), let time = reader.time() else { return nil }
            lines.append(Line(number: number, time: time))
        }
    }
}

/// Lost payloads are indexed by log entry (`lostLines`) and by payload (`lostPayloads`), so that no other log entry has to be
/// read.
extension MappedDeliveries {
    /// Records the log entry with which a payload was given up.
    func addLost(
        _ line: LostPayload.Line, of payload: UInt64, at destination: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        var lost = try lostPayload(payload, at: destination, in: transaction) ?? LostPayload()
        if lost.isOnItsWay {
            var kept: [LostPayload.Line] = []
            for line in lost.lines where try tables.attempts.contains(line.number, in: transaction) {
                kept.append(line)
            }
            lost.lines = kept
        }
        lost.isOnItsWay = false
        lost.lines.append(line)
        if lost.lines.count > LostPayload.maximumLines {
            try tables.lostLines.remove(OwnedNumber(destination, lost.lines.removeFirst().number), in: &transaction)
        }
        for line in lost.lines {
            try tables.lostLines.put(payload, at: OwnedNumber(destination, line.number), in: &transaction)
        }
        try tables.lostPayloads.put(lost, at: OwnedNumber(destination, payload), in: &transaction)
    }

    /// Records that a new delivery of a lost payload is pending. Does nothing if the payload is not lost.
    func takeUpLost(
        _ payload: UInt64, at destination: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        guard var lost = try lostPayload(payload, at: destination, in: transaction), !lost.isOnItsWay else { return }
        lost.isOnItsWay = true
        for line in lost.lines { try tables.lostLines.remove(OwnedNumber(destination, line.number), in: &transaction) }
        try tables.lostPayloads.put(lost, at: OwnedNumber(destination, payload), in: &transaction)
    }

    /// Removes a lost payload that was delivered after all, or is no longer stored.
    func removeLost(
        _ payload: UInt64, at destination: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        if let lost = try lostPayload(payload, at: destination, in: transaction), !lost.isOnItsWay {
            for line in lost.lines {
                try tables.lostLines.remove(OwnedNumber(destination, line.number), in: &transaction)
            }
        }
        try tables.lostPayloads.remove(OwnedNumber(destination, payload), in: &transaction)
    }

    /// Removes an entry that is no longer in the log from the indexes of lost payloads.
    func removeLostLine(
        _ line: UInt64, of destination: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        let key = OwnedNumber(destination, line)
        let payload = try sparing("log entry \(line)") { () throws(LMDBError) in
            try tables.lostLines.value(at: key, in: transaction)
        }
        guard try tables.lostLines.remove(key, in: &transaction), let payload else { return }
        guard var lost = try lostPayload(payload, at: destination, in: transaction) else { return }
        lost.lines.removeAll { $0.number == line }
        if lost.lines.isEmpty {
            try tables.lostPayloads.remove(OwnedNumber(destination, payload), in: &transaction)
        } else {
            try tables.lostPayloads.put(lost, at: OwnedNumber(destination, payload), in: &transaction)
        }
    }

    /// Removes the lost payloads of a destination whose log is gone.
    /// - Returns: how many were removed, at most `limit`.
    func removeLost(
        of destination: UInt64, limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        var payloads: [UInt64] = []
        try tables.lostPayloads.scanKeys(from: OwnedNumber(destination, 0), in: transaction) { key in
            guard key.owner == destination, payloads.count < limit else { return false }
            payloads.append(key.number)
            return true
        }
        for payload in payloads { try removeLost(payload, at: destination, in: &transaction) }
        return payloads.count
    }

    /// The payloads that were given up between two times, both included, in the order of their first log entries in that
    /// range.
    func lostPayloads(
        of destination: UInt64, since: Timestamp, until: Timestamp, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64] {
        // Log entries are in the order of their times, unless the clock was stepped.
        var (low, high) = (UInt64(0), try deliveryState(in: transaction).nextLog)
        while low < high {
            let middle = low + (high - low) / 2
            let next = try lostLine(of: destination, from: middle, in: transaction)
            if let next, next.line.time < since { low = next.line.number + 1 } else { high = middle }
        }
        var payloads: [UInt64] = []
        var seen: Set<UInt64> = []
        while payloads.count < limit, let next = try lostLine(of: destination, from: low, in: transaction),
            next.line.time <= until
        {
            low = next.line.number + 1
            if seen.insert(next.payload).inserted { payloads.append(next.payload) }
        }
        return payloads
    }

    func lostPayload(
        _ payload: UInt64, at destination: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> LostPayload? {
        try sparing("payload \(payload) of destination \(destination)") { () throws(LMDBError) in
            try tables.lostPayloads.value(at: OwnedNumber(destination, payload), in: transaction)
        }
    }

    /// The first log entry of a destination, from a number on, with which a payload was given up. If the index and the
    /// record of the payload disagree, one of them is damaged, and the entry is skipped.
    private func lostLine(
        of destination: UInt64, from number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (line: LostPayload.Line, payload: UInt64)? {
        var start = number
        while let found = try lostEntry(of: destination, from: start, in: transaction) {
            if let lost = try lostPayload(found.payload, at: destination, in: transaction), !lost.isOnItsWay,
                let line = lost.lines.first(where: { $0.number == found.line })
            {
                return (line, found.payload)
            }
            noteDamage("the index of lost payloads is damaged: log entry \(found.line)")
            start = found.line + 1
        }
        return nil
    }

    /// The first readable entry of the index `lostLines` for a destination, from a number on.
    private func lostEntry(
        of destination: UInt64, from start: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (line: UInt64, payload: UInt64)? {
        var found: (line: UInt64, payload: UInt64)?
        try tables.lostLines.scan(from: OwnedNumber(destination, start), in: transaction) { key, payload in
            guard key.owner == destination, key.number < .max else { return false }
            guard let payload else {
                noteDamage("the index of lost payloads is damaged: log entry \(key.number)")
                return true
            }
            found = (key.number, payload)
            return false
        }
        return found
    }
}
