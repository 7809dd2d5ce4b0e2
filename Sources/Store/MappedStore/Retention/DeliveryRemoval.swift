internal import Delivery
internal import LMDB
internal import Values

/// Removes deliveries, log entries and payloads, with their entries in the indexes.
extension MappedDeliveries {
    /// Removes the deliveries and log entries of a deleted destination.
    func removeDeliveries(
        of destination: UInt64, limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        var keys: [DeliveryKey] = []
        var holds: [OwnedNumber] = []
        var inFlight: UInt64 = 0
        try tables.deliveries.scan(from: DeliveryKey(destination: destination), in: transaction) { key, delivery in
            guard key.destination == destination, keys.count < limit else { return false }
            keys.append(key)
            if let delivery {
                if delivery.owner != 0 { inFlight += 1 }
                holds.append(OwnedNumber(delivery.payload, delivery.number))
            }
            return true
        }
        var state = try deliveryState(in: transaction)
        for key in keys { try tables.deliveries.remove(key, in: &transaction) }
        for hold in holds { try tables.holds.remove(hold, in: &transaction) }
        state.inFlight -= min(state.inFlight, inFlight)
        state.pending -= min(state.pending, UInt64(keys.count))
        var lines: [IndexedLine] = []
        try tables.attemptIndex.scanKeys(from: OwnedNumber(destination, 0), in: transaction) { key in
            guard key.owner == destination, keys.count + lines.count < limit else { return false }
            lines.append(IndexedLine(number: key.number, destination: destination))
            return true
        }
        try removeLines(lines, &state, in: &transaction)
        if !keys.isEmpty || !lines.isEmpty { try put(state, in: &transaction) }
        let count = keys.count + lines.count
        return count + (try removeLost(of: destination, limit: limit - count, in: &transaction))
    }

    func removeLines(
        _ lines: [IndexedLine], _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        for line in try indexed(lines, in: transaction) {
            let size = try tables.attempts.part(at: line.number, in: transaction) { $0.byteCount } ?? 0
            state.bytes -= min(state.bytes, UInt64(size))
            try tables.attempts.remove(line.number, in: &transaction)
            if let payload = line.payload {
                try tables.attemptPayloads.remove(OwnedNumber(payload, line.number), in: &transaction)
            }
            if let destination = line.destination {
                try tables.attemptIndex.remove(OwnedNumber(destination, line.number), in: &transaction)
                try removeLostLine(line.number, of: destination, in: &transaction)
            }
        }
    }

    func removePayload(
        _ payload: Payload, _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        let size = try tables.payloads.part(at: payload.number, in: transaction) { $0.byteCount } ?? 0
        state.bytes -= min(state.bytes, UInt64(size))
        try tables.payloads.remove(payload.number, in: &transaction)
        if try tables.routedEvents.remove(payload.number, in: &transaction) {
            try tables.waitingEvents.remove(payload.number, in: &transaction)
            try tables.eventIDs.remove(EventKey(routed: payload.eventID), in: &transaction)
            if let identity = payload.idempotencyKey {
                let key = EventKey(routedIdentity: identity)
                let isOwn = try tables.eventIDs.value(at: key, in: transaction)?.payload == payload.number
                if isOwn { try tables.eventIDs.remove(key, in: &transaction) }
            }
            return
        }
        try tables.eventIDs.remove(EventKey(payload.source, .id, payload.eventID), in: &transaction)
        if let text = payload.idempotencyKey {
            try tables.eventIDs.remove(EventKey(payload.source, .idempotencyKey, text), in: &transaction)
        }
    }
}
