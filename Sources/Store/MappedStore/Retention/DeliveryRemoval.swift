internal import Delivery
internal import LMDB
internal import Values

/// What is removed with a delivery, a line of the log or a parcel.
extension MappedDeliveries {
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

    func removeParcel(
        _ parcel: Parcel, _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        let size = try tables.parcels.value(at: key(parcel.number), in: transaction) { $0.byteCount } ?? 0
        state.bytes -= min(state.bytes, UInt64(size))
        try tables.parcels.remove(key(parcel.number), in: &transaction)
        if try tables.routedEvents.remove(key(parcel.number), in: &transaction) {
            try tables.waitingEvents.remove(key(parcel.number), in: &transaction)
            try tables.eventIDs.remove(EventIDs.key(routed: parcel.eventID), in: &transaction)
            if let identity = parcel.idempotencyKey {
                let place = EventIDs.key(routedIdentity: identity)
                let isOwn = try tables.eventIDs.number(at: place, in: transaction) == parcel.number
                if isOwn { try tables.eventIDs.remove(place, in: &transaction) }
            }
            return
        }
        try tables.eventIDs.remove(EventIDs.key(parcel.source, .id, parcel.eventID), in: &transaction)
        if let text = parcel.idempotencyKey {
            try tables.eventIDs.remove(EventIDs.key(parcel.source, .idempotencyKey, text), in: &transaction)
        }
    }
}
