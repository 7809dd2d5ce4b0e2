internal import Delivery
package import Gateway
internal import LMDB

/// What deliveries leave behind is dropped by age and by size, in small steps.
extension MappedStore {
    /// Removes deliveries, and lines of the log, of a destination that is gone.
    func removeDeliveries(
        of destination: UInt64, limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        var keys: [[UInt8]] = []
        var inFlight: UInt64 = 0
        try tables.deliveries.scan(from: key(destination), in: transaction) { place, record in
            var reader = ByteReader(place)
            guard reader.fixed() == destination, keys.count < limit else { return false }
            keys.append(copy(place))
            if let delivery = DeliveryRecord.decode(place, record), delivery.owner != 0 { inFlight += 1 }
            return true
        }
        var state = try deliveryState(in: transaction)
        for key in keys { try tables.deliveries.remove(key, in: &transaction) }
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

    /// Drops the oldest of the log's lines and of the parcels: those from before a time, and as many more as take up more
    /// than `maximumBytes` with the rest. Does nothing, and writes nothing, where there are none.
    /// - Returns: how many it dropped; as many as `limit` means that there may be more.
    package func dropOldDeliveries(
        before oldest: Timestamp, maximumBytes: UInt64, limit: Int
    ) throws(StoreFailure) -> Int {
        let isDue = try read { (transaction) throws(LMDBError) in
            try !droppable(before: oldest, maximumBytes, limit: 1, in: transaction).isEmpty
        }
        guard isDue else { return 0 }
        return try write { (transaction) throws(LMDBError) in
            let dropped = try droppable(before: oldest, maximumBytes, limit: limit, in: transaction)
            var state = try deliveryState(in: transaction)
            try drop(dropped, &state, in: &transaction)
            try put(state, in: &transaction)
            return dropped.count
        }
    }

    /// Drops the oldest of the log's lines, so that a full store has room for what is being delivered.
    /// - Returns: how many it dropped.
    package func dropOldestLines(limit: Int) throws(StoreFailure) -> Int {
        try write { (transaction) throws(LMDBError) in
            let oldest = try oldestLines(before: nil, limit: limit, in: transaction)
            guard !oldest.isEmpty else { return 0 }
            var state = try deliveryState(in: transaction)
            try drop(oldest, &state, in: &transaction)
            try put(state, in: &transaction)
            return oldest.count
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
            case .parcel(let parcel): try removeParcel(parcel, &state, in: &transaction)
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

    /// What is to be dropped, oldest first. A parcel is older than the lines about it.
    private func droppable(
        before oldest: Timestamp, _ maximumBytes: UInt64, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [Kept] {
        let kept = try deliveryState(in: transaction).bytes
        var excess = kept > maximumBytes ? kept - maximumBytes : 0
        var lines = try oldestLines(before: excess > 0 ? nil : oldest, limit: limit, in: transaction)[...]
        var parcels = try oldestParcels(before: excess > 0 ? nil : oldest, limit: limit, in: transaction)[...]
        var found: [Kept] = []
        while found.count < limit, !lines.isEmpty || !parcels.isEmpty {
            let takesLine = lines.first.map { line in parcels.first.map { line.time < $0.time } ?? true } ?? false
            guard let next = takesLine ? lines.popFirst() : parcels.popFirst(), excess > 0 || next.time < oldest else {
                break
            }
            excess -= min(excess, next.bytes)
            found.append(next)
        }
        return found
    }

    /// - Parameter oldest: `nil` for those of any time.
    private func oldestLines(
        before oldest: Timestamp?, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [Kept] {
        try self.oldest(of: tables.attempts, before: oldest, limit: limit, in: transaction) { number, value in
            guard let record = AttemptRecord(value) else { return (.line(PlacedLine(number: number)), nil) }
            let line = PlacedLine(number: number, destination: record.destination, parcel: record.parcel)
            return (.line(line), record.attempt.triggeredAt)
        }
    }

    /// - Parameter oldest: `nil` for those of any time.
    private func oldestParcels(
        before oldest: Timestamp?, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [Kept] {
        try self.oldest(of: tables.parcels, before: oldest, limit: limit, in: transaction) { number, value in
            guard let parcel = ParcelRecord.decode(value, number: number) else { return (.damagedParcel(number), nil) }
            // Without its body, as there may be hundreds of them.
            let bare = Parcel.Content(
                eventID: parcel.eventID, idempotencyKey: parcel.idempotencyKey, event: parcel.event,
                source: parcel.source, body: [])
            return (.parcel(Parcel(number: number, bare, receivedAt: parcel.receivedAt)), parcel.receivedAt)
        }
    }

    /// The first records of a table. What is damaged is as old as the next that is not.
    private func oldest(
        of table: Table, before oldest: Timestamp?, limit: Int, in transaction: borrowing Transaction,
        _ read: (_ number: UInt64, RawSpan) -> (Kept.What, Timestamp?)
    ) throws(LMDBError) -> [Kept] {
        var found: [Kept] = []
        var damaged: [(what: Kept.What, bytes: UInt64)] = []
        func append(_ time: Timestamp) {
            found += damaged.map { Kept(what: $0.what, time: time, bytes: $0.bytes) }
            damaged = []
        }
        try table.scan(in: transaction) { key, value in
            var reader = ByteReader(key)
            guard found.count < limit, let number = reader.fixed() else { return false }
            let (what, time) = read(number, value)
            guard let time else {
                // Where there are enough of them, no more is wanted than their time.
                if found.count + damaged.count < limit { damaged.append((what, UInt64(value.byteCount))) }
                return true
            }
            guard oldest.map({ time < $0 }) ?? true else { return false }
            append(time)
            if found.count < limit { found.append(Kept(what: what, time: time, bytes: UInt64(value.byteCount))) }
            return true
        }
        if oldest == nil { append(Timestamp(microseconds: .min)) }
        return found
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
