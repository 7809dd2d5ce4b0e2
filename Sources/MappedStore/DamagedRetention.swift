internal import Delivery
internal import LMDB

/// What is damaged is dropped too once its time has come. As it does not say where else it is noted, that is looked for.
extension MappedStore {
    func removeDamagedLine(
        _ line: UInt64, _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        damage.note("a log's line is damaged and was dropped: \(line)")
        let destination = try owner(of: line, in: tables.attemptIndex, transaction) ?? 0
        try removeLine(line, of: destination, &state, in: &transaction)
    }

    func parcel(ofDamagedLine line: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try owner(of: line, in: tables.attemptParcels, transaction)
    }

    /// Looks through a whole index for a line.
    private func owner(
        of line: UInt64, in index: Table, _ transaction: borrowing Transaction
    ) throws(LMDBError) -> UInt64? {
        var found: UInt64?
        try index.scan(in: transaction) { place, _ in
            if let (owner, number) = BoundedLog.entry(place), number == line { found = owner }
            return found == nil
        }
        return found
    }

    func removeDamagedParcel(
        _ number: UInt64, _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        damage.note("a parcel is damaged and was dropped: \(number)")
        let size = try tables.parcels.value(at: key(number), in: transaction) { $0.byteCount } ?? 0
        state.bytes -= min(state.bytes, UInt64(size))
        for table in [tables.parcels, tables.routedEvents, tables.waitingEvents] {
            try table.remove(key(number), in: &transaction)
        }
        var ids: [[UInt8]] = []
        try tables.eventIDs.scan(in: transaction) { place, value in
            if Self.parcel(ofEventID: place, value) == number { ids.append(copy(place)) }
            return true
        }
        for id in ids { try tables.eventIDs.remove(id, in: &transaction) }
    }
}
