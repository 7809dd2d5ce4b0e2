internal import Delivery
internal import HTTP
internal import LMDB
internal import Storage
package import Values

/// How far the searches for records to drop have come. Not stored: another process starts from the beginning.
struct RetentionSweep {
    /// The search in a store over its size limit.
    var excess = Pass()
    /// The search in a full store.
    var room = Pass()
    var stage = Stage.linesOfLargest

    /// A search from the oldest record to the newest.
    struct Pass {
        /// The owners whose records are dropped; `nil`: not determined yet, or all owners.
        var large: Set<UUID>?
        /// The numbers of the log entry and of the payload to look at next.
        var line: UInt64 = 0
        var payload: UInt64 = 0
        /// Whether the pass has found something to drop.
        var hasFound = false
    }

    /// The records that a full store drops, in this order. A stage follows when the earlier ones find nothing.
    enum Stage: Int {
        case linesOfLargest
        case linesOfAnyone
        case payloadsOfLargest
        case payloadsOfAnyone

        var next: Stage? { Stage(rawValue: rawValue + 1) }
        var wantsLines: Bool { self == .linesOfLargest || self == .linesOfAnyone }
        var wantsLargest: Bool { self == .linesOfLargest || self == .payloadsOfLargest }
    }

    mutating func begin(_ stage: Stage) {
        self.stage = stage
        room = Pass()
    }
}

/// Drops log entries and payloads by age and by size, in small steps.
extension MappedRetention: DeliveryRetention {
    /// Drops the oldest log entries and payloads: those from before a time and, if there are more than `maximumBytes`, the
    /// oldest of the owners that have the most. Events that are still to be matched or delivered are kept. Lagging
    /// subscriptions keep no events: they count dropped ones as missed. Writes nothing if there is nothing to drop.
    /// - Returns: how many were dropped; `limit` means that there may be more.
    package func dropOldDeliveries(
        before oldest: Timestamp, maximumBytes: UInt64, limit: Int
    ) throws(StoreFailure) -> Int {
        let (dropped, hasMore) = try read { (transaction) throws(LMDBError) in
            try droppable(before: oldest, maximumBytes, limit: limit, in: transaction)
        }
        if !dropped.isEmpty { try drop(dropped) }
        return hasMore ? limit : dropped.count
    }

    /// Drops records that are finished, so that a full store has room for what is being delivered: the oldest log entries,
    /// first those of the owners that have the most. If there are no log entries, it drops payloads in the same way.
    /// - Returns: how many were dropped; `limit` means that there may be more, even if this step found nothing.
    package func dropForRoom(limit: Int) throws(StoreFailure) -> Int {
        let (dropped, hasMore) = try read { (transaction) throws(LMDBError) in
            try sweepForRoom(limit: limit, in: transaction)
        }
        if !dropped.isEmpty { try drop(dropped) }
        return hasMore ? limit : dropped.count
    }

    private func drop(_ items: [Retention.Item]) throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            var state = try deliveries.deliveryState(in: transaction)
            try drop(items, &state, in: &transaction)
            try deliveries.put(state, in: &transaction)
        }
    }

    private func drop(
        _ items: [Retention.Item], _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        var lines: [IndexedLine] = []
        var damagedPayloads: Set<UInt64> = []
        var dropped: [MappedEvents.DroppedEvent] = []
        for item in items {
            switch item.what {
            case .line(let line): lines.append(line)
            case .payload(let payload):
                // A new delivery of the payload may have been requested meanwhile.
                guard try isFinished(payload.number, in: transaction) else { continue }
                if let event = try events.droppedEvent(payload, in: transaction) { dropped.append(event) }
                try deliveries.removePayload(payload, &state, in: &transaction)
            case .damagedPayload(let payload): damagedPayloads.insert(payload)
            }
        }
        try deliveries.removeLines(lines, &state, in: &transaction)
        try deliveries.removeDamagedPayloads(damagedPayloads, &state, in: &transaction)
        try events.skip(dropped, in: &transaction)
    }

    /// Whether a payload needs no more matching or delivering. Lagging subscriptions do not count: those of one user would
    /// keep everybody's events.
    func isFinished(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        if try tables.waitingEvents.contains(number, in: transaction) { return false }
        return try !isHeld(number, in: transaction)
    }

    /// Whether a payload is still to be delivered. Also true if it has too many holds to look at in one step.
    private func isHeld(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        var start = OwnedNumber(number, 0)
        for _ in 0..<Self.holdBatches {
            var destinations: [UInt64] = []
            var left = Self.holdsPerBatch
            var next: OwnedNumber?
            try tables.holds.scan(from: start, in: transaction) { key, destination in
                guard key.owner == number else { return false }
                guard left > 0 else {
                    next = key
                    return false
                }
                left -= 1
                if let destination { destinations.append(destination) }
                return true
            }
            // Holds of a deleted destination do not count. They remain until its deliveries are removed; the hold of a
            // damaged delivery remains for good.
            for destination in destinations where try tables.destinations.contains(destination, in: transaction) {
                return true
            }
            guard let next else { return false }
            start = next
        }
        return true
    }

    /// How many holds of one payload are looked at: the size of a batch, and the number of batches.
    private static let holdsPerBatch = 64
    private static let holdBatches = 4

    /// The records to drop, oldest first, and whether there may be more. A payload is older than the log entries about it.
    private func droppable(
        before oldest: Timestamp, _ maximumBytes: UInt64, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (found: [Retention.Item], hasMore: Bool) {
        var found = try merged(
            oldestRecords(of: .lines, before: oldest, limit: limit, in: transaction) { _, _ in true }.found,
            oldestRecords(of: .payloads, before: oldest, limit: limit, in: transaction) {
                (number, _) throws(LMDBError) in
                try isFinished(number, in: transaction)
            }.found, limit: limit)
        let bytes = try deliveries.deliveryState(in: transaction).bytes
        let dropped = found.reduce(0) { $0 + $1.bytes }
        guard bytes > maximumBytes, bytes - maximumBytes > dropped, found.count < limit else { return (found, false) }
        guard found.isEmpty else { return (found, true) }
        let look = try sweepExcess(limit: limit, excess: bytes - maximumBytes, in: transaction)
        found = look.found
        return (found, look.hasMore)
    }

    /// Merges two lists that are in the order of time, up to `limit` items and `excess` bytes.
    private func merged(_ lines: [Retention.Item], _ payloads: [Retention.Item], limit: Int, excess: UInt64 = .max)
        -> [Retention.Item]
    {
        var (lines, payloads) = (lines[...], payloads[...])
        var found: [Retention.Item] = []
        var left = excess
        while found.count < limit, left > 0, !lines.isEmpty || !payloads.isEmpty {
            let takesLine = lines.first.map { line in payloads.first.map { line.time < $0.time } ?? true } ?? false
            guard let next = takesLine ? lines.popFirst() : payloads.popFirst() else { break }
            left -= min(left, next.bytes)
            found.append(next)
        }
        return found
    }

    // MARK: The largest owners first

    /// The next records of the owners that have the most, oldest first. Continues where the last call ended, and starts
    /// again once it has reached the end.
    /// - Parameter excess: how many bytes to find.
    private func sweepExcess(
        limit: Int, excess: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (found: [Retention.Item], hasMore: Bool) {
        var pass = sweep.excess
        if pass.large == nil { pass.large = try largestOwners(of: [.lines, .payloads], in: transaction) }
        let large = pass.large ?? []
        let lines = try oldestRecords(
            of: .lines, from: pass.line, limit: limit, lookingAt: Retention.lookedAt, in: transaction
        ) { (_, owner) throws(LMDBError) in try large.contains(owner()) }
        let payloads = try oldestRecords(
            of: .payloads, from: pass.payload, limit: limit, lookingAt: Retention.lookedAt, in: transaction
        ) { (number, owner) throws(LMDBError) in
            guard try large.contains(owner()) else { return false }
            return try isFinished(number, in: transaction)
        }
        let found = merged(lines.found, payloads.found, limit: limit, excess: excess)
        if found.isEmpty {
            pass.line = lines.next ?? pass.line
            pass.payload = payloads.next ?? pass.payload
        } else {
            pass.hasFound = true
        }
        guard lines.next == nil, payloads.next == nil, found.count == lines.found.count + payloads.found.count else {
            sweep.excess = pass
            return (found, true)
        }
        // The next pass determines again which owners have the most.
        sweep.excess = RetentionSweep.Pass()
        return (found, pass.hasFound && found.count < limit)
    }

    /// The next records to drop in a full store, oldest first. Continues where the last call ended. When a whole pass has
    /// found nothing, the next stage follows.
    private func sweepForRoom(
        limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (found: [Retention.Item], hasMore: Bool) {
        while true {
            let stage = sweep.stage
            var pass = sweep.room
            let kind: Retention.Kind = stage.wantsLines ? .lines : .payloads
            if stage.wantsLargest, pass.large == nil { pass.large = try largestOwners(of: [kind], in: transaction) }
            let large = pass.large
            let look = try oldestRecords(
                of: kind, from: stage.wantsLines ? pass.line : pass.payload, limit: limit,
                lookingAt: Retention.lookedAt,
                in: transaction
            ) { (number, owner) throws(LMDBError) in
                if let large, try !large.contains(owner()) { return false }
                if stage.wantsLines { return true }
                return try isFinished(number, in: transaction)
            }
            if !look.found.isEmpty {
                pass.hasFound = true
                sweep.room = pass
                return (look.found, true)
            }
            if let next = look.next {
                if stage.wantsLines { pass.line = next } else { pass.payload = next }
                sweep.room = pass
                return ([], true)
            }
            if pass.hasFound {
                // Since the pass began, log entries may have been added, and other owners may have the most.
                sweep.begin(.linesOfLargest)
            } else if let next = stage.next {
                sweep.begin(next)
            } else {
                sweep.begin(.linesOfLargest)
                return ([], false)
            }
        }
    }
}
