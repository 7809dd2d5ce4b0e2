internal import Delivery
internal import LMDB
internal import Values

/// Estimates which owners have the most, so that their records are dropped first.
extension MappedRetention {
    /// The size of a sample, of log entries and of payloads each.
    private static let sampled = 512

    /// The owners that have at least half as much as the largest one, estimated by a sample.
    /// - Parameter kinds: the kinds of records that count.
    func largestOwners(
        of kinds: [Retention.Kind], in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<UUID> {
        var bytes: [UUID: Double] = [:]
        for kind in kinds {
            let sample = try sample(kind, in: transaction)
            for (owner, size) in sample.sizes {
                let share = Double(size) * sample.weight
                bytes[owner, default: 0] += share
            }
        }
        let most = bytes.values.max() ?? 0
        return Set(bytes.filter { $0.value * 2 >= most }.keys)
    }

    /// A sample of the records of a kind: the owner and the size of each.
    /// - Returns: the sample, and how many records of the table each sampled one represents.
    private func sample(
        _ kind: Retention.Kind, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (sizes: [(UUID, Int)], weight: Double) {
        let table = kind == .lines ? tables.attempts.bytes : tables.payloads.bytes
        let count = try table.count(in: transaction)
        var first: UInt64?
        try table.scan(in: transaction) { key, _ in
            var reader = ByteReader(key)
            first = reader.fixed()
            return false
        }
        let state = try deliveries.deliveryState(in: transaction)
        let end = kind == .lines ? state.nextLog : state.nextPayload
        var sizes: [(UUID, Int)] = []
        if let first, first < end, count > 4 * Self.sampled {
            for _ in 0..<8 * Self.sampled where sizes.count < Self.sampled {
                // Unused numbers count for no owner. Otherwise the owner of the record that follows many of them would seem
                // large.
                let number = UInt64.random(in: first..<end)
                let read = try table.value(at: number.keyBytes, in: transaction) { Self.ownership(kind, number, $0) }
                guard let found = read ?? nil else { continue }
                sizes.append((try owner(found, in: transaction), found.bytes))
            }
            if sizes.count >= Self.sampled / 8 { return (sizes, Double(count) / Double(sizes.count)) }
            sizes = []
        }
        var found: [Retention.Ownership] = []
        try table.scan(in: transaction) { key, value in
            var reader = ByteReader(key)
            if let number = reader.fixed(), let one = Self.ownership(kind, number, value) { found.append(one) }
            return found.count < Retention.lookedAt
        }
        for one in found { sizes.append((try owner(one, in: transaction), one.bytes)) }
        return (sizes, Double(count) / Double(max(1, sizes.count)))
    }
}
