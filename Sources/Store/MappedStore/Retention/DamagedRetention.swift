internal import Delivery
internal import LMDB

/// A log entry, with the destination and the payload under which it is indexed, as far as these are known.
struct IndexedLine {
    let number: UInt64
    var destination: UInt64?
    var payload: UInt64?
}

/// Drops damaged records too once they are old enough. They do not say where they are indexed, so the indexes are searched,
/// once for all records that a step drops.
extension MappedDeliveries {
    /// Completes the destination and payload of log entries: from the entry or, if that is damaged, from the indexes.
    func indexed(_ lines: [IndexedLine], in transaction: borrowing Transaction) throws(LMDBError) -> [IndexedLine] {
        var lines = lines
        for index in lines.indices where lines[index].destination == nil || lines[index].payload == nil {
            let number = lines[index].number
            if let record = try tables.attempts.readable(at: number, in: transaction) {
                lines[index].destination = record.destination
                lines[index].payload = record.payload
            } else {
                noteDamage("log entry \(number) is damaged and was dropped")
            }
        }
        let places = [(tables.attemptIndex, \IndexedLine.destination), (tables.attemptPayloads, \IndexedLine.payload)]
        for (table, owner) in places {
            let wanted = Set(lines.lazy.filter { $0[keyPath: owner] == nil }.map(\.number))
            let owners = try owners(of: wanted, in: table, transaction)
            for (index, line) in lines.enumerated() where wanted.contains(line.number) {
                lines[index][keyPath: owner] = owners[line.number]
            }
        }
        return lines
    }

    /// Searches a whole index for log entries. Returns the owner of each entry found, by its number.
    private func owners(
        of lines: Set<UInt64>, in index: KeyTable<OwnedNumber>, _ transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64: UInt64] {
        var found: [UInt64: UInt64] = [:]
        guard !lines.isEmpty else { return found }
        try index.scanKeys(in: transaction) { key in
            if lines.contains(key.number) { found[key.number] = key.owner }
            return found.count < lines.count
        }
        return found
    }

    func removeDamagedPayloads(
        _ numbers: Set<UInt64>, _ state: inout DeliveryState, in transaction: inout Transaction
    ) throws(LMDBError) {
        guard !numbers.isEmpty else { return }
        for number in numbers {
            noteDamage("payload \(number) is damaged and was dropped")
            let size = try tables.payloads.part(at: number, in: transaction) { $0.byteCount } ?? 0
            state.bytes -= min(state.bytes, UInt64(size))
            try tables.payloads.remove(number, in: &transaction)
            try tables.routedEvents.remove(number, in: &transaction)
            try tables.waitingEvents.remove(number, in: &transaction)
        }
        var ids: [EventKey] = []
        try tables.eventIDs.scan(in: transaction) { key, record in
            if let record, numbers.contains(record.payload) { ids.append(key) }
            return true
        }
        for id in ids { try tables.eventIDs.remove(id, in: &transaction) }
    }
}
