internal import Delivery
internal import HTTP
internal import LMDB
internal import Storage
package import Values

/// How far the searches for what can be dropped have come. They are not kept: another process begins anew.
struct RetentionSweep {
    /// Of a store over its limit.
    var excess = Pass()
    /// Of a full store.
    var room = Pass()
    var stage = Stage.linesOfLargest

    /// A search from the oldest record to the newest.
    struct Pass {
        /// Whose records are dropped; `nil`: that is to be found out.
        var large: Set<UUID>?
        /// The numbers of the line and of the parcel to look at next.
        var line: UInt64 = 0
        var parcel: UInt64 = 0
        /// Whether it has found something to drop.
        var hasFound = false
    }

    /// What a full store gives up: the later ones where it has nothing of the earlier.
    enum Stage: Int {
        case linesOfLargest
        case linesOfAnyone
        case parcelsOfLargest
        case parcelsOfAnyone

        var next: Stage? { Stage(rawValue: rawValue + 1) }
        var wantsLines: Bool { self == .linesOfLargest || self == .linesOfAnyone }
        var wantsLargest: Bool { self == .linesOfLargest || self == .parcelsOfLargest }
    }

    mutating func begin(_ stage: Stage) {
        self.stage = stage
        room = Pass()
    }
}

/// What deliveries leave behind is dropped by age and by size, in small steps.
extension MappedRetention: DeliveryRetention {
    /// Drops the oldest of the log's lines and of the parcels: those from before a time, and where there is more than
    /// `maximumBytes`, the oldest of those owners that have the most. What is still to be matched or delivered is kept.
    /// Subscriptions that lag keep nothing; they count it as missed. Writes nothing where there is nothing to drop.
    /// - Returns: how many it dropped; as many as `limit` means that there may be more.
    package func dropOldDeliveries(
        before oldest: Timestamp, maximumBytes: UInt64, limit: Int
    ) throws(StoreFailure) -> Int {
        let (dropped, hasMore) = try read { (transaction) throws(LMDBError) in
            try droppable(before: oldest, maximumBytes, limit: limit, in: transaction)
        }
        if !dropped.isEmpty { try drop(dropped) }
        return hasMore ? limit : dropped.count
    }

    /// Drops what is finished, so that a full store has room for what is being delivered: the oldest of the log's
    /// lines, first those of the owners that have the most. Where there are no lines, it drops parcels in the same way.
    /// - Returns: how many it dropped; `limit` where there may be more, even if this step found nothing.
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
        var damagedParcels: Set<UInt64> = []
        var dropped: [MappedEvents.DroppedEvent] = []
        for item in items {
            switch item.what {
            case .line(let line): lines.append(line)
            case .parcel(let parcel):
                // By now somebody may have asked for it again.
                guard try isFinished(parcel.number, in: transaction) else { continue }
                if let event = try events.droppedEvent(parcel, in: transaction) { dropped.append(event) }
                try deliveries.removeParcel(parcel, &state, in: &transaction)
            case .damagedParcel(let parcel): damagedParcels.insert(parcel)
            }
        }
        try deliveries.removeLines(lines, &state, in: &transaction)
        try deliveries.removeDamagedParcels(damagedParcels, &state, in: &transaction)
        try events.skip(dropped, in: &transaction)
    }

    /// Whether nothing is to be matched or delivered of a parcel any longer. Subscriptions that lag do not count: those
    /// of one user would keep everybody's events.
    func isFinished(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        if try tables.waitingEvents.contains(number, in: transaction) { return false }
        return try !isHeld(number, in: transaction)
    }

    /// Whether a parcel is still to be delivered, or has so many holds that one step cannot tell.
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
            // Holds of a destination that is gone stay until its deliveries are removed; of a damaged one, for good.
            for destination in destinations where try tables.destinations.contains(destination, in: transaction) {
                return true
            }
            guard let next else { return false }
            start = next
        }
        return true
    }

    /// Holds of one parcel that are looked at: so many at a time, and so many times.
    private static let holdsPerBatch = 64
    private static let holdBatches = 4

    /// What is to be dropped, oldest first, and whether there may be more. A parcel is older than the lines about it.
    private func droppable(
        before oldest: Timestamp, _ maximumBytes: UInt64, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (found: [Retention.Item], hasMore: Bool) {
        var found = try merged(
            oldestRecords(of: .lines, before: oldest, limit: limit, in: transaction) { _, _ in true }.found,
            oldestRecords(of: .parcels, before: oldest, limit: limit, in: transaction) {
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

    /// Two lists that are in the order of time, as one.
    private func merged(_ lines: [Retention.Item], _ parcels: [Retention.Item], limit: Int, excess: UInt64 = .max)
        -> [Retention.Item]
    {
        var (lines, parcels) = (lines[...], parcels[...])
        var found: [Retention.Item] = []
        var left = excess
        while found.count < limit, left > 0, !lines.isEmpty || !parcels.isEmpty {
            let takesLine = lines.first.map { line in parcels.first.map { line.time < $0.time } ?? true } ?? false
            guard let next = takesLine ? lines.popFirst() : parcels.popFirst() else { break }
            left -= min(left, next.bytes)
            found.append(next)
        }
        return found
    }

    // MARK: The largest first

    /// The next records of the owners that have the most, oldest first. It goes on where the last call ended, and begins anew
    /// at the end.
    /// - Parameter excess: bytes to find.
    private func sweepExcess(
        limit: Int, excess: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (found: [Retention.Item], hasMore: Bool) {
        var pass = sweep.excess
        if pass.large == nil { pass.large = try largestOwners(of: [.lines, .parcels], in: transaction) }
        let large = pass.large ?? []
        let lines = try oldestRecords(
            of: .lines, from: pass.line, limit: limit, lookingAt: Retention.lookedAt, in: transaction
        ) { (_, owner) throws(LMDBError) in try large.contains(owner()) }
        let parcels = try oldestRecords(
            of: .parcels, from: pass.parcel, limit: limit, lookingAt: Retention.lookedAt, in: transaction
        ) { (number, owner) throws(LMDBError) in
            guard try large.contains(owner()) else { return false }
            return try isFinished(number, in: transaction)
        }
        let found = merged(lines.found, parcels.found, limit: limit, excess: excess)
        if found.isEmpty {
            pass.line = lines.next ?? pass.line
            pass.parcel = parcels.next ?? pass.parcel
        } else {
            pass.hasFound = true
        }
        guard lines.next == nil, parcels.next == nil, found.count == lines.found.count + parcels.found.count else {
            sweep.excess = pass
            return (found, true)
        }
        // The next pass asks anew who has the most.
        sweep.excess = RetentionSweep.Pass()
        return (found, pass.hasFound && found.count < limit)
    }

    /// The next records that make room in a full store, oldest first. It goes on where the last call ended; where a
    /// whole pass has found nothing, it looks for what the next stage gives up.
    private func sweepForRoom(
        limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (found: [Retention.Item], hasMore: Bool) {
        while true {
            let stage = sweep.stage
            var pass = sweep.room
            let kind: Retention.Kind = stage.wantsLines ? .lines : .parcels
            if stage.wantsLargest, pass.large == nil { pass.large = try largestOwners(of: [kind], in: transaction) }
            let large = pass.large
            let look = try oldestRecords(
                of: kind, from: stage.wantsLines ? pass.line : pass.parcel, limit: limit, lookingAt: Retention.lookedAt,
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
                if stage.wantsLines { pass.line = next } else { pass.parcel = next }
                sweep.room = pass
                return ([], true)
            }
            if pass.hasFound {
                // Since it began there may be new lines, and others may have the most.
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
