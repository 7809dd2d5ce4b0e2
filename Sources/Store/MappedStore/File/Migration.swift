internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// Adds what an older layout lacks, apart from tables that are empty at first.
extension Tables {
    /// - Parameter layout: the layout that the store has had.
    func migrate(from layout: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        if layout < 7 { try moveEndpoints(in: &transaction) }
        // Layout 6 also has more tables, which are empty at first.
        if layout < 6 { try sealLines(in: &transaction) }
        if layout < 5 { try migrateToLayout5(in: &transaction) }
        if layout < 6 {
            try noteNumbers(in: &transaction)
            try indexDeliveriesByOwner(in: &transaction)
        }
    }

    private func migrateToLayout5(in transaction: inout Transaction) throws(LMDBError) {
        try countSubscriptions(in: &transaction)
        try moveApprovalHeads(in: &transaction)
        try noteFinished(in: &transaction)
        try noteTakenUp(in: &transaction)
    }

    /// Moves the records of endpoints, which had a table of their own, to their notifications. That table stays, empty.
    private func moveEndpoints(in transaction: inout Transaction) throws(LMDBError) {
        guard let old = try Table(ifThere: "endpoints", in: transaction) else { return }
        while true {
            var records: [(key: [UInt8], value: [UInt8])] = []
            try old.scan(in: transaction) { key, value in
                records.append((copy(key), copy(value)))
                return records.count < Self.migratedAtOnce
            }
            guard !records.isEmpty else { return }
            for (key, value) in records {
                // A damaged key must not become that of a notification.
                if UInt64(keyBytes: key) != nil { try endpoints.bytes.put(value, at: key, in: &transaction) }
                try old.remove(key, in: &transaction)
            }
        }
    }

    /// Indexes deliveries by their owner and by their payload.
    private func indexDeliveriesByOwner(in transaction: inout Transaction) throws(LMDBError) {
        for kind in OwnerHeads.allCases {
            var heads: [(time: Timestamp, number: UInt64)] = []
            try self.heads(kind).scanKeys(in: transaction) { key in
                heads.append((key.time, key.number))
                return true
            }
            for head in heads { try putHead(kind, of: head.number, at: head.time, in: &transaction) }
        }
        var last: DeliveryKey?
        while true {
            var found: [Delivery] = []
            try deliveries.scan(after: last, in: transaction) { _, delivery in
                if let delivery { found.append(delivery) }
                return found.count < Self.migratedAtOnce
            }
            for delivery in found {
                try holds.put(
                    delivery.destination, at: OwnedNumber(delivery.payload, delivery.number), in: &transaction)
            }
            guard let end = found.last, found.count == Self.migratedAtOnce else { return }
            last = DeliveryKey(end)
        }
    }

    private func countSubscriptions(in transaction: inout Transaction) throws(LMDBError) {
        var counts: [NameDigest: UInt64] = [:]
        try userSubscriptions.scanKeys(in: transaction) { key in
            counts[key.owner, default: 0] += 1
            return true
        }
        for (user, count) in counts { try subscriptionCounts.put(count, at: user, in: &transaction) }
    }

    private func moveApprovalHeads(in transaction: inout Transaction) throws(LMDBError) {
        var heads: [TimedNumber] = []
        try deliveryHeads.scanKeys(in: transaction) { head in
            heads.append(head)
            return true
        }
        for head in heads {
            let destination = try destinations.readable(at: head.number, in: transaction)
            guard destination?.approvalPath != nil else { continue }
            try deliveryHeads.remove(head, in: &transaction)
            try approvalHeads.put(owner(of: head.number, in: transaction), at: head, in: &transaction)
        }
    }

    // MARK: Given-up deliveries

    /// How many records are read before the results are written.
    private static let migratedAtOnce = 1024

    private struct Line {
        let payload: UInt64
        let destination: UInt64
        let line: LostPayload.Line
        /// Whether the entry is the last one for the payload and a failure; `nil` if it is not the last one.
        let hasFailed: Bool?
    }

    /// Indexes log entries by their payload, and records the payloads that were given up and not delivered since. A store
    /// of layout 4 may have these records already, or only those for its later log entries.
    private func noteFinished(in transaction: inout Transaction) throws(LMDBError) {
        var start: UInt64 = 0
        while true {
            let lines = try lines(from: start, in: transaction)
            for line in lines {
                try attemptPayloads.put(OwnedNumber(line.payload, line.line.number), in: &transaction)
                guard let hasFailed = line.hasFailed else { continue }
                let isKept = try payloads.contains(line.payload, in: transaction)
                try changeLost(line.payload, at: line.destination, in: &transaction) { lost in
                    if hasFailed, isKept {
                        lost.insert(line.line)
                    } else {
                        lost.lines.removeAll { $0.number < line.line.number }
                    }
                }
            }
            guard let last = lines.last, lines.count == Self.migratedAtOnce else { return }
            start = last.line.number + 1
        }
    }

    /// The log entries from a number on, without damaged ones.
    private func lines(from start: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> [Line] {
        var lines: [Line] = []
        try attempts.scan(from: start, in: transaction) { number, record in
            guard let record, number < .max, record.number == number else { return true }
            let isFinished = record.isFinal && record.trigger != .test
            lines.append(
                Line(
                    payload: record.payload, destination: record.destination, line: LostPayload.Line(record),
                    hasFailed: isFinished ? record.attempt.failure != nil : nil))
            return lines.count < Self.migratedAtOnce
        }
        return lines
    }

    /// Marks the given-up payloads that have a pending delivery because somebody had them sent again.
    private func noteTakenUp(in transaction: inout Transaction) throws(LMDBError) {
        var last: DeliveryKey?
        while true {
            var pending: [Delivery] = []
            try deliveries.scan(after: last, in: transaction) { _, delivery in
                if let delivery { pending.append(delivery) }
                return pending.count < Self.migratedAtOnce
            }
            for delivery in pending {
                try changeLost(delivery.payload, at: delivery.destination, in: &transaction) { lost in
                    lost.isOnItsWay = !lost.lines.isEmpty
                }
            }
            guard let end = pending.last, pending.count == Self.migratedAtOnce else { return }
            last = DeliveryKey(end)
        }
    }

    private func changeLost(
        _ payload: UInt64, at destination: UInt64, in transaction: inout Transaction,
        _ change: (inout LostPayload) -> Void
    ) throws(LMDBError) {
        let key = OwnedNumber(destination, payload)
        let before = try lostPayloads.readable(at: key, in: transaction) ?? LostPayload()
        var lost = before
        change(&lost)
        guard lost != before else { return }
        for line in before.lines { try lostLines.remove(OwnedNumber(destination, line.number), in: &transaction) }
        guard !lost.lines.isEmpty else {
            try lostPayloads.remove(key, in: &transaction)
            return
        }
        try lostPayloads.put(lost, at: key, in: &transaction)
        for line in lost.lines where !lost.isOnItsWay {
            try lostLines.put(payload, at: OwnedNumber(destination, line.number), in: &transaction)
        }
    }
}

extension LostPayload {
    /// Inserts a log entry in the order of the numbers. The oldest is dropped if there are too many.
    fileprivate mutating func insert(_ line: Line) {
        guard !lines.contains(where: { $0.number == line.number }) else { return }
        lines.insert(line, at: lines.firstIndex { $0.number > line.number } ?? lines.count)
        if lines.count > Self.maximumLines { lines.removeFirst() }
    }
}
