package import Delivery
package import Gateway
internal import LMDB

extension MappedStore: DeliveryStore {
    package func turn(
        _ results: [DeliveryResult], beginning capacity: Int, inFlight: [UInt64: Int], owner: UInt64,
        leaseSeconds: Double, policies: RetryPolicies, at moment: Moment
    ) throws(StoreFailure) -> DeliveryTurn {
        if results.isEmpty {
            // Where nothing can be begun nothing is written.
            let (isDue, next) = try read { (transaction) throws(LMDBError) in
                let isDue = capacity > 0 ? try canBegin(inFlight, at: moment, in: transaction) : false
                return (isDue, try nextHead(after: moment.steady, in: transaction))
            }
            guard isDue else { return DeliveryTurn(nextDue: next) }
        }
        return try write { (transaction) throws(LMDBError) in
            var work = try DeliveryWork(self, at: moment, in: transaction)
            for result in results { try work.conclude(result, policies, in: &transaction) }
            try work.finish(in: &transaction)
            var turn = DeliveryTurn()
            for number in try dueDestinations(until: moment.steady, in: transaction) {
                guard turn.starts.count < capacity else { break }
                turn.starts += try work.begin(
                    number, atMost: capacity - turn.starts.count, inFlight: inFlight[number] ?? 0, owner: owner,
                    leaseSeconds: leaseSeconds, in: &transaction)
            }
            try work.finish(in: &transaction)
            turn.nextDue = try nextHead(after: moment.steady, in: transaction)
            return turn
        }
    }

    private func canBegin(
        _ inFlight: [UInt64: Int], at moment: Moment, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        var work = try DeliveryWork(self, at: moment, in: transaction)
        for number in try dueDestinations(until: moment.steady, in: transaction)
        where try work.canBegin(number, inFlight: inFlight[number] ?? 0, in: transaction) {
            return true
        }
        return false
    }

    /// When the next destination's time comes; what waits for a place alone is not among them.
    private func nextHead(
        after now: Timestamp, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Timestamp? {
        var next: Timestamp?
        try tables.deliveryHeads.scan(from: key(sortable(now) + 1), in: transaction) { key, _ in
            next = BoundedLog.entry(key).map { timestamp(sortable: $0.owner) }
            return false
        }
        return next
    }

    /// How many destinations one turn looks at.
    private static let lookedAt = 1024

    private func dueDestinations(
        until now: Timestamp, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64] {
        var numbers: [UInt64] = []
        try scanHeads(in: transaction) { time, destination in
            guard time <= now, numbers.count < Self.lookedAt else { return false }
            numbers.append(destination)
            return true
        }
        return numbers
    }

    package func hasDestinations() throws(StoreFailure) -> Bool {
        try read { (transaction) throws(LMDBError) in try tables.destinations.count(in: transaction) > 0 }
    }

    package func keyring(_ number: UInt64) throws(StoreFailure) -> Keyring? {
        try read { (transaction) throws(LMDBError) in try keyring(number, in: transaction) }
    }

    func keyring(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Keyring? {
        try tables.keyrings.record(at: key(number), "a keyring", in: transaction) {
            KeyringRecord.decode($0, number: number)
        }
    }
}
