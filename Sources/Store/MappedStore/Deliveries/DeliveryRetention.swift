internal import Delivery
package import HTTP
internal import LMDB

/// How far the search for what a store over its limit can drop has come. It is not kept: another process begins anew.
struct RetentionSweep {
    /// Whose records are dropped; `nil`: that is to be found out.
    var large: Set<UUID>?
    /// The numbers of the line and of the parcel to look at next.
    var line: UInt64 = 0
    var parcel: UInt64 = 0
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
    /// `maximumBytes`, the oldest of those owners that have the most. What is still to be matched or delivered is kept. Does
    /// nothing, and writes nothing, where there is nothing to drop.
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

    /// Drops the oldest of the log's lines of those owners that have the most, so that a full store has room for what is
    /// being delivered.
    /// - Returns: how many it dropped.
    package func dropOldestLines(limit: Int) throws(StoreFailure) -> Int {
        let oldest = try read { (transaction) throws(LMDBError) in
            try sweepLarge(limit: limit, excess: .max, in: transaction, lines: true, parcels: false).found
        }
        if !oldest.isEmpty { try drop(oldest) }
        return oldest.count
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
        for item in items {
            switch item.what {
            case .line(let line): lines.append(line)
            case .parcel(let parcel):
                // By now somebody may have asked for it again.
                guard try isFinished(parcel.number, in: transaction) else { continue }
                try removeParcel(parcel, &state, in: &transaction)
            case .damagedParcel(let parcel): damagedParcels.insert(parcel)
            }
        }
        try removeLines(lines, &state, in: &transaction)
        try removeDamagedParcels(damagedParcels, &state, in: &transaction)
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

    /// Whether nothing is to be matched or delivered of a parcel any longer.
    private func isFinished(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        if try tables.waitingEvents.contains(key(number), in: transaction) { return false }
        if try tables.routedEvents.contains(key(number), in: transaction),
            try isLagging(behind: number, in: transaction)
        {
            return false
        }
        var destinations: [UInt64] = []
        try tables.holds.scan(from: key(number), in: transaction) { place, value in
            guard let (parcel, _) = BoundedLog.entry(place), parcel == number else { return false }
            var reader = ByteReader(value)
            if let destination = reader.fixed() { destinations.append(destination) }
            return destinations.count < Self.holdsLookedAt
        }
        // A delivery that was damaged when its destination was removed has left its hold.
        for destination in destinations where try tables.destinations.contains(key(destination), in: transaction) {
            return false
        }
        return true
    }

    private static let holdsLookedAt = 64

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
        let sweep = try sweepLarge(limit: limit, excess: bytes - maximumBytes, in: transaction)
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
    private func sweepLarge(
        limit: Int, excess: UInt64, in transaction: borrowing Transaction, lines wantsLines: Bool = true,
        parcels wantsParcels: Bool = true
    ) throws(LMDBError) -> (found: [Kept], hasMore: Bool) {
        let isBeginning = retention.large == nil
        if isBeginning { retention = RetentionSweep(large: try largestOwners(in: transaction)) }
        let large = retention.large ?? []
        var (lines, parcels) = (Look(), Look())
        if wantsLines {
            lines = try oldestRecords(
                of: .lines, from: retention.line, limit: limit, lookingAt: Self.lookedAt, in: transaction
            ) { (_, owner) throws(LMDBError) in try large.contains(owner()) }
        }
        if wantsParcels {
            parcels = try oldestRecords(
                of: .parcels, from: retention.parcel, limit: limit, lookingAt: Self.lookedAt, in: transaction
            ) { (number, owner) throws(LMDBError) in
                guard try large.contains(owner()) else { return false }
                return try isFinished(number, in: transaction)
            }
        }
        let found = merged(lines.found, parcels.found, limit: limit, excess: excess)
        if found.isEmpty {
            retention.line = lines.next ?? retention.line
            retention.parcel = parcels.next ?? retention.parcel
        }
        if lines.next == nil, parcels.next == nil, found.count == lines.found.count + parcels.found.count {
            // The next pass asks anew who has the most.
            retention.large = nil
            // Nothing, from the beginning to the end.
            if found.isEmpty, isBeginning || !wantsLines || !wantsParcels { return (found, false) }
            return (found, found.count < limit && excess < .max)
        }
        return (found, true)
    }

    /// Records that one step looks at.
    private static let lookedAt = 10_000
    /// Records by which it is estimated who has the most, of lines and of parcels each.
    private static let sampled = 512

    /// The owners that have at least half as much as the one that has the most, estimated by a sample.
    private func largestOwners(in transaction: borrowing Transaction) throws(LMDBError) -> Set<UUID> {
        var bytes: [UUID: Double] = [:]
        for kind in [RecordKind.lines, .parcels] {
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
