internal import Delivery
internal import LMDB

/// What an older layout lacks beside tables that are empty in the beginning.
extension Tables {
    /// - Parameter layout: which one the store has had.
    func migrate(from layout: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        guard layout < 5 else { return }
        try countSubscriptions(in: &transaction)
        try moveApprovalHeads(in: &transaction)
    }

    private func countSubscriptions(in transaction: inout Transaction) throws(LMDBError) {
        var counts: [[UInt8]: UInt64] = [:]
        try userSubscriptions.scan(in: transaction) { place, _ in
            counts[Array(copy(place).dropLast(MemoryLayout<UInt64>.size)), default: 0] += 1
            return true
        }
        for (user, count) in counts { try subscriptionCounts.put(key(count), at: user, in: &transaction) }
    }

    private func moveApprovalHeads(in transaction: inout Transaction) throws(LMDBError) {
        var found: [(place: [UInt8], number: UInt64)] = []
        try deliveryHeads.scan(in: transaction) { place, _ in
            if let (_, number) = BoundedLog.entry(place) { found.append((copy(place), number)) }
            return true
        }
        for (place, number) in found {
            let destination = try destinations.value(at: key(number), in: transaction) {
                DestinationRecord.decode($0, number: number)
            }
            guard (destination ?? nil)?.approvalPath != nil else { continue }
            try deliveryHeads.remove(place, in: &transaction)
            try approvalHeads.put([], at: place, in: &transaction)
        }
    }
}
