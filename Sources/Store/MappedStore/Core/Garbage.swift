internal import HTTP
internal import LMDB
internal import Queues
package import Values

/// Records that are no longer needed. They are removed in small steps, so that no request waits long for it.
enum Garbage: Hashable, TableKey {
    /// Messages of a queue: those that have rolled off, or all if the queue was deleted.
    case messages(queue: UInt64)
    /// Clients of a deleted user.
    case clients(user: UInt64)
    /// Deliveries and log entries of a deleted destination.
    case deliveries(destination: UInt64)

    func write(to writer: inout ByteWriter) {
        let (kind, number): (UInt8, UInt64) =
            switch self {
            case .messages(let queue): (1, queue)
            case .clients(let user): (2, user)
            case .deliveries(let destination): (3, destination)
            }
        writer.byte(kind)
        writer.fixed(number)
    }

    init?(from reader: inout ByteReader) {
        guard let kind = reader.byte(), let number = reader.fixed() else { return nil }
        switch kind {
        case 1: self = .messages(queue: number)
        case 2: self = .clients(user: number)
        case 3: self = .deliveries(destination: number)
        default: return nil
        }
    }
}

extension StoreCore {
    func put(_ garbage: Garbage, in transaction: inout Transaction) throws(LMDBError) {
        try tables.garbage.put(garbage, in: &transaction)
    }
}

extension MappedStore {
    /// Removes garbage. Writes nothing if there is no garbage.
    /// - Returns: how many records were removed; `limit` means that there may be more.
    package func removeGarbage(limit: Int) throws(StoreFailure) -> Int {
        let isThere = try read { (transaction) throws(LMDBError) in try tables.garbage.count(in: transaction) > 0 }
        guard isThere else { return 0 }
        return try write { (transaction) throws(LMDBError) in
            var removed = 0
            // An entry with nothing left to remove counts too, as it costs a lookup.
            var looks = 0
            while removed < limit, looks < limit, let garbage = try firstGarbage(in: transaction) {
                let count = try remove(garbage, limit: limit - removed, in: &transaction)
                if count < limit - removed { try tables.garbage.remove(garbage, in: &transaction) }
                removed += count
                looks += 1
            }
            return looks == limit ? limit : removed
        }
    }

    private func firstGarbage(in transaction: borrowing Transaction) throws(LMDBError) -> Garbage? {
        var found: Garbage?
        try tables.garbage.bytes.scan(in: transaction) { key, _ in
            found = Garbage(keyBytes: key)
            if found == nil { noteDamage("an entry of the list of data to remove is damaged") }
            return found == nil
        }
        return found
    }

    private func remove(
        _ garbage: Garbage, limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        switch garbage {
        case .messages(let queue):
            // A damaged log record does not say which messages of the queue are left.
            let log: QueueLog?
            do throws(LMDBError) {
                log = try queues.queueLog(queue, in: transaction)
            } catch {
                guard error.isRecordDamage else { throw error }
                noteDamage("\(error): queue number \(queue)")
                return 0
            }
            let end = log?.first ?? .max
            return try tables.messages.remove(of: queue, from: 0, to: end, limit: limit, in: &transaction).count
        case .clients(let user):
            var keys: [ClientKey] = []
            try queues.scanClients(of: user, in: transaction) { key, _ in
                guard keys.count < limit else { return false }
                keys.append(key)
                return true
            }
            for key in keys { try tables.clients.remove(key, in: &transaction) }
            return keys.count
        case .deliveries(let destination):
            return try deliveries.removeDeliveries(of: destination, limit: limit, in: &transaction)
        }
    }
}
