internal import Delivery
internal import LMDB

/// A line of the log, and by what else it is found, as far as that is known.
struct PlacedLine {
    let number: UInt64
    var destination: UInt64?
    var parcel: UInt64?
}

/// What is damaged is dropped too once its time has come. As it does not say where else it is noted, that is looked for, and
/// for all that is dropped at a time at once.
extension MappedDeliveries {
    /// Lines with all by which they are found: as they say themselves, or, where they are damaged, as the indexes do.
    func placed(_ lines: [PlacedLine], in transaction: borrowing Transaction) throws(LMDBError) -> [PlacedLine] {
        var lines = lines
        for index in lines.indices where lines[index].destination == nil || lines[index].parcel == nil {
            let number = lines[index].number
            let record = try tables.attempts.readable(at: key(number), in: transaction) { AttemptRecord($0) }
            if let record {
                lines[index].destination = record.destination
                lines[index].parcel = record.parcel
            } else {
                noteDamage("a log's line is damaged and was dropped: \(number)")
            }
        }
        let places = [(tables.attemptIndex, \PlacedLine.destination), (tables.attemptParcels, \PlacedLine.parcel)]
        for (table, owner) in places {
            let wanted = Set(lines.lazy.filter { $0[keyPath: owner] == nil }.map(\.number))
            let owners = try owners(of: wanted, in: table, transaction)
            for (index, line) in lines.enumerated() where wanted.contains(line.number) {
                lines[index][keyPath: owner] = owners[line.number]
            }
        }
        return lines
    }

    /// Looks through a whole index for lines.
    private func owners(
        of lines: Set<UInt64>, in index: Table, _ transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64: UInt64] {
        var found: [UInt64: UInt64] = [:]
        guard !lines.isEmpty else { return found }
        try index.scan(in: transaction) { place, _ in
            if let (owner, number) = BoundedLog.entry(place), lines.contains(number) { found[number] = owner }
            return found.count < lines.count
        }
        return found
    }

    func removeDamagedParcels(
        _ numbers: Set<UInt64>, _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        guard !numbers.isEmpty else { return }
        for number in numbers {
            noteDamage("a parcel is damaged and was dropped: \(number)")
            let size = try tables.parcels.value(at: key(number), in: transaction) { $0.byteCount } ?? 0
            state.bytes -= min(state.bytes, UInt64(size))
            for table in [tables.parcels, tables.routedEvents, tables.waitingEvents] {
                try table.remove(key(number), in: &transaction)
            }
        }
        var ids: [[UInt8]] = []
        try tables.eventIDs.scan(in: transaction) { place, value in
            if let parcel = EventIDs.parcel(at: place, value), numbers.contains(parcel) { ids.append(copy(place)) }
            return true
        }
        for id in ids { try tables.eventIDs.remove(id, in: &transaction) }
    }
}
