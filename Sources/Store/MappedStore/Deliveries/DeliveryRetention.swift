internal import Delivery
package import HTTP
internal import LMDB

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
extension MappedStore {
    /// Removes deliveries, and lines of the log, of a destination that is gone.
    func removeDeliveries(
        of destination: UInt64, limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        var keys: [[UInt8]] = []
        var holds: [[UInt8]] = []
        var inFlight: UInt64 = 0
        try tables.deliveries.scan(from: key(destination), in: transaction) { place, record in
            var reader = ByteReader(place)
            guard reader.fixed() == destination, keys.count < limit else { return false }
            keys.append(copy(place))
            if let delivery = DeliveryRecord.decode(place, record) {
                if delivery.owner != 0 { inFlight += 1 }
                holds.append(key(delivery.parcel, delivery.number))
            }
            return true
        }
        var state = try deliveryState(in: transaction)
        for key in keys { try tables.deliveries.remove(key, in: &transaction) }
        for hold in holds { try tables.holds.remove(hold, in: &transaction) }
        state.inFlight -= min(state.inFlight, inFlight)
        state.pending -= min(state.pending, UInt64(keys.count))
        var lines: [PlacedLine] = []
        try tables.attemptIndex.scan(from: key(destination), in: transaction) { place, _ in
            guard let (owner, line) = BoundedLog.entry(place), owner == destination, keys.count + lines.count < limit
            else { return false }
            lines.append(PlacedLine(number: line, destination: destination))
            return true
        }
        try removeLines(lines, &state, in: &transaction)
        if !keys.isEmpty || !lines.isEmpty { try put(state, in: &transaction) }
        let count = keys.count + lines.count
        return count + (try removeLost(of: destination, limit: limit - count, in: &transaction))
    }

    func removeLines(
        _ lines: [PlacedLine], _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        for line in try placed(lines, in: transaction) {
            let size = try tables.attempts.value(at: key(line.number), in: transaction) { $0.byteCount } ?? 0
            state.bytes -= min(state.bytes, UInt64(size))
            try tables.attempts.remove(key(line.number), in: &transaction)
            if let parcel = line.parcel {
                try tables.attemptParcels.remove(key(parcel, line.number), in: &transaction)
            }
            if let destination = line.destination {
                try tables.attemptIndex.remove(key(destination, line.number), in: &transaction)
                try removeLostLine(line.number, of: destination, in: &transaction)
            }
        }
    }

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
    package func dropOldestLines(limit: Int) throws(StoreFailure) -> Int {
        let (dropped, hasMore) = try read { (transaction) throws(LMDBError) in
            try sweepForRoom(limit: limit, in: transaction)
        }
        if !dropped.isEmpty { try drop(dropped) }
        return hasMore ? limit : dropped.count
    }

    private func drop(_ items: [Kept]) throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            var state = try deliveryState(in: transaction)
            try drop(items, &state, in: &transaction)
            try put(state, in: &transaction)
        }
    }

    private func drop(
        _ items: [Kept], _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        var lines: [PlacedLine] = []
        var damagedParcels: Set<UInt64> = []
        var events: [DroppedEvent] = []
        for item in items {
            switch item.what {
            case .line(let line): lines.append(line)
            case .parcel(let parcel):
                // By now somebody may have asked for it again.
                guard try isFinished(parcel.number, in: transaction) else { continue }
                if let event = try droppedEvent(parcel, in: transaction) { events.append(event) }
                try removeParcel(parcel, &state, in: &transaction)
            case .damagedParcel(let parcel): damagedParcels.insert(parcel)
            }
        }
        try removeLines(lines, &state, in: &transaction)
        try removeDamagedParcels(damagedParcels, &state, in: &transaction)
        try skip(events, in: &transaction)
    }

    private struct Kept {
        let what: What
        let time: Timestamp
        let bytes: UInt64

        enum What {
            case line(PlacedLine)
            case parcel(Parcel)
            case damagedParcel(UInt64)
        }
    }

    /// Whether nothing is to be matched or delivered of a parcel any longer. Subscriptions that lag do not count: those
    /// of one user would keep everybody's events.
    private func isFinished(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        if try tables.waitingEvents.contains(key(number), in: transaction) { return false }
        return try !isHeld(number, in: transaction)
    }

    /// Whether a parcel is still to be delivered, or has so many holds that one step cannot tell.
    private func isHeld(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        var start = key(number)
        for _ in 0..<Self.holdBatches {
            var destinations: [UInt64] = []
            var left = Self.holdsPerBatch
            var next: [UInt8]?
            try tables.holds.scan(from: start, in: transaction) { place, value in
                guard let (parcel, _) = BoundedLog.entry(place), parcel == number else { return false }
                guard left > 0 else {
                    next = copy(place)
                    return false
                }
                left -= 1
                var reader = ByteReader(value)
                if let destination = reader.fixed() { destinations.append(destination) }
                return true
            }
            // Holds of a destination that is gone stay until its deliveries are removed; of a damaged one, for good.
            for destination in destinations where try tables.destinations.contains(key(destination), in: transaction) {
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
    ) throws(LMDBError) -> (found: [Kept], hasMore: Bool) {
        var found = try merged(
            oldestRecords(of: .lines, before: oldest, limit: limit, in: transaction) { _, _ in true }.found,
            oldestRecords(of: .parcels, before: oldest, limit: limit, in: transaction) {
                (number, _) throws(LMDBError) in
                try isFinished(number, in: transaction)
            }.found, limit: limit)
        let bytes = try deliveryState(in: transaction).bytes
        let dropped = found.reduce(0) { $0 + $1.bytes }
        guard bytes > maximumBytes, bytes - maximumBytes > dropped, found.count < limit else { return (found, false) }
        guard found.isEmpty else { return (found, true) }
        let sweep = try sweepExcess(limit: limit, excess: bytes - maximumBytes, in: transaction)
        found = sweep.found
        return (found, sweep.hasMore)
    }

    /// Two lists that are in the order of time, as one.
    private func merged(_ lines: [Kept], _ parcels: [Kept], limit: Int, excess: UInt64 = .max) -> [Kept] {
        var (lines, parcels) = (lines[...], parcels[...])
        var found: [Kept] = []
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
    ) throws(LMDBError) -> (found: [Kept], hasMore: Bool) {
        var pass = retention.excess
        if pass.large == nil { pass.large = try largestOwners(of: [.lines, .parcels], in: transaction) }
        let large = pass.large ?? []
        let lines = try oldestRecords(
            of: .lines, from: pass.line, limit: limit, lookingAt: Self.lookedAt, in: transaction
        ) { (_, owner) throws(LMDBError) in try large.contains(owner()) }
        let parcels = try oldestRecords(
            of: .parcels, from: pass.parcel, limit: limit, lookingAt: Self.lookedAt, in: transaction
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
            retention.excess = pass
            return (found, true)
        }
        // The next pass asks anew who has the most.
        retention.excess = RetentionSweep.Pass()
        return (found, pass.hasFound && found.count < limit)
    }

    /// The next records that make room in a full store, oldest first. It goes on where the last call ended; where a
    /// whole pass has found nothing, it looks for what the next stage gives up.
    private func sweepForRoom(
        limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (found: [Kept], hasMore: Bool) {
        while true {
            let stage = retention.stage
            var pass = retention.room
            let kind: RecordKind = stage.wantsLines ? .lines : .parcels
            if stage.wantsLargest, pass.large == nil { pass.large = try largestOwners(of: [kind], in: transaction) }
            let large = pass.large
            let look = try oldestRecords(
                of: kind, from: stage.wantsLines ? pass.line : pass.parcel, limit: limit, lookingAt: Self.lookedAt,
                in: transaction
            ) { (number, owner) throws(LMDBError) in
                if let large, try !large.contains(owner()) { return false }
                if stage.wantsLines { return true }
                return try isFinished(number, in: transaction)
            }
            if !look.found.isEmpty {
                pass.hasFound = true
                retention.room = pass
                return (look.found, true)
            }
            if let next = look.next {
                if stage.wantsLines { pass.line = next } else { pass.parcel = next }
                retention.room = pass
                return ([], true)
            }
            if pass.hasFound {
                // Since it began there may be new lines, and others may have the most.
                retention.begin(.linesOfLargest)
            } else if let next = stage.next {
                retention.begin(next)
            } else {
                retention.begin(.linesOfLargest)
                return ([], false)
            }
        }
    }

    /// Records that one step looks at.
    private static let lookedAt = 10_000
    /// Records by which it is estimated who has the most, of lines and of parcels each.
    private static let sampled = 512

    /// The owners that have at least half as much as the one that has the most, estimated by a sample.
    /// - Parameter kinds: of which records.
    private func largestOwners(
        of kinds: [RecordKind], in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<UUID> {
        var bytes: [UUID: Double] = [:]
        for kind in kinds {
            let sample = try sample(kind, in: transaction)
            for (owner, size) in sample.sizes { bytes[owner, default: 0] += Double(size) * sample.weight }
        }
        let most = bytes.values.max() ?? 0
        return Set(bytes.filter { $0.value * 2 >= most }.keys)
    }

    /// Some records of a kind, each with its owner and its size.
    /// - Returns: with how many records each stands for.
    private func sample(
        _ kind: RecordKind, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (sizes: [(UUID, Int)], weight: Double) {
        let table = kind == .lines ? tables.attempts : tables.parcels
        let count = try table.count(in: transaction)
        var first: UInt64?
        try table.scan(in: transaction) { place, _ in
            var reader = ByteReader(place)
            first = reader.fixed()
            return false
        }
        let state = try deliveryState(in: transaction)
        let end = kind == .lines ? state.nextLog : state.nextParcel
        var sizes: [(UUID, Int)] = []
        if let first, first < end, count > 4 * Self.sampled {
            for _ in 0..<8 * Self.sampled where sizes.count < Self.sampled {
                // Numbers that are gone count for nobody, so that who comes after many of them does not seem large.
                let number = UInt64.random(in: first..<end)
                let found =
                    try table.value(at: key(number), in: transaction) { Self.ownership(kind, number, $0) } ?? nil
                guard let found else { continue }
                sizes.append((try owner(found, in: transaction), found.bytes))
            }
            if sizes.count >= Self.sampled / 8 { return (sizes, Double(count) / Double(sizes.count)) }
            sizes = []
        }
        var found: [Ownership] = []
        try table.scan(in: transaction) { place, value in
            var reader = ByteReader(place)
            if let number = reader.fixed(), let one = Self.ownership(kind, number, value) { found.append(one) }
            return found.count < Self.lookedAt
        }
        for one in found { sizes.append((try owner(one, in: transaction), one.bytes)) }
        return (sizes, Double(count) / Double(max(1, sizes.count)))
    }

    // MARK: Records of both kinds

    private enum RecordKind { case lines, parcels }

    /// Whose a record is.
    private struct Ownership {
        let destination: UInt64?
        let source: UUID?
        let bytes: Int
    }

    private static func ownership(_ kind: RecordKind, _ number: UInt64, _ value: RawSpan) -> Ownership? {
        switch kind {
        case .lines:
            AttemptRecord(value).map {
                Ownership(destination: $0.destination, source: nil, bytes: value.byteCount)
            }
        case .parcels:
            ParcelRecord.decode(value, number: number).map {
                Ownership(destination: nil, source: $0.source, bytes: value.byteCount)
            }
        }
    }

    /// Of a routed event the owner is its source, which all of them have in common.
    private func owner(_ record: Ownership, in transaction: borrowing Transaction) throws(LMDBError) -> UUID {
        if let source = record.source { return source }
        guard let destination = record.destination else { return Self.routedSource }
        return try tables.owner(of: destination, in: transaction)
    }

    /// What a look at a kind of records has found.
    private struct Look {
        var found: [Kept] = []
        /// Where to go on; `nil` at the end.
        var next: UInt64?
    }

    /// Records of a kind, oldest first. What is damaged is as old as the next that is not.
    /// - Parameters:
    ///   - oldest: `nil` for those of any time.
    ///   - isWanted: whether to take one, by its number and its owner.
    private func oldestRecords(
        of kind: RecordKind, from start: UInt64 = 0, before oldest: Timestamp? = nil, limit: Int,
        lookingAt looks: Int = 10_000, in transaction: borrowing Transaction,
        _ isWanted: (_ number: UInt64, _ owner: () throws(LMDBError) -> UUID) throws(LMDBError) -> Bool
    ) throws(LMDBError) -> Look {
        var look = Look()
        var damaged: [Kept.What] = []
        var damagedBytes: [UInt64] = []
        func append(_ time: Timestamp) {
            for (what, bytes) in zip(damaged, damagedBytes) {
                look.found.append(Kept(what: what, time: time, bytes: bytes))
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
                    let gone: Kept.What =
                        kind == .lines ? .line(PlacedLine(number: record.number)) : .damagedParcel(record.number)
                    // Where there are enough of them, no more is wanted than their time.
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
                    look.found.append(Kept(what: what, time: time, bytes: record.bytes))
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

    private struct ReadRecord {
        let number: UInt64
        let bytes: UInt64
        /// `nil` where it is damaged.
        let content: (what: Kept.What, time: Timestamp, ownership: Ownership)?
    }

    private func records(
        _ kind: RecordKind, from start: UInt64, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [ReadRecord] {
        let table = kind == .lines ? tables.attempts : tables.parcels
        var found: [ReadRecord] = []
        try table.scan(from: key(start), in: transaction) { place, value in
            var reader = ByteReader(place)
            guard found.count < limit, let number = reader.fixed(), number < .max else { return false }
            found.append(
                ReadRecord(
                    number: number, bytes: UInt64(value.byteCount), content: Self.content(kind, number, value)))
            return true
        }
        return found
    }

    private static func content(
        _ kind: RecordKind, _ number: UInt64, _ value: RawSpan
    ) -> (what: Kept.What, time: Timestamp, ownership: Ownership)? {
        switch kind {
        case .lines:
            guard let record = AttemptRecord(value) else { return nil }
            let line = PlacedLine(number: number, destination: record.destination, parcel: record.parcel)
            return (
                .line(line), record.attempt.triggeredAt,
                Ownership(destination: record.destination, source: nil, bytes: value.byteCount)
            )
        case .parcels:
            guard let parcel = ParcelRecord.decode(value, number: number) else { return nil }
            // Without its body, as there may be hundreds of them.
            let bare = Parcel.Content(
                eventID: parcel.eventID, idempotencyKey: parcel.idempotencyKey, event: parcel.event,
                source: parcel.source, body: [])
            return (
                .parcel(Parcel(number: number, bare, receivedAt: parcel.receivedAt)), parcel.receivedAt,
                Ownership(destination: nil, source: parcel.source, bytes: value.byteCount)
            )
        }
    }

    func removeParcel(
        _ parcel: Parcel, _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        let size = try tables.parcels.value(at: key(parcel.number), in: transaction) { $0.byteCount } ?? 0
        state.bytes -= min(state.bytes, UInt64(size))
        try tables.parcels.remove(key(parcel.number), in: &transaction)
        if try tables.routedEvents.remove(key(parcel.number), in: &transaction) {
            try tables.waitingEvents.remove(key(parcel.number), in: &transaction)
            try tables.eventIDs.remove(routedEventKey(parcel.eventID), in: &transaction)
            if let identity = parcel.idempotencyKey {
                let place = routedIdentityKey(identity)
                let isOwn = try tables.eventIDs.number(at: place, in: transaction) == parcel.number
                if isOwn { try tables.eventIDs.remove(place, in: &transaction) }
            }
            return
        }
        try tables.eventIDs.remove(eventKey(parcel.source, .id, parcel.eventID), in: &transaction)
        if let text = parcel.idempotencyKey {
            try tables.eventIDs.remove(eventKey(parcel.source, .idempotencyKey, text), in: &transaction)
        }
    }
}
