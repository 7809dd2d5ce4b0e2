package import Delivery
package import Gateway
internal import LMDB

extension MappedStore: DeliveryStore {
    package func turn(
        _ results: [DeliveryResult], beginning capacity: Int, inFlight: [UInt64: Int], owner: UInt64,
        leaseSeconds: Double, at moment: Moment
    ) throws(StoreFailure) -> DeliveryTurn {
        if results.isEmpty {
            // Where nothing is due nothing is written.
            let next = try read { (transaction) throws(LMDBError) in try nextHead(in: transaction) }
            guard let next, next <= moment.steady, capacity > 0 else { return DeliveryTurn(nextDue: next) }
        }
        return try write { (transaction) throws(LMDBError) in
            var work = try DeliveryWork(self, at: moment, in: transaction)
            for result in results { try work.conclude(result, in: &transaction) }
            try work.finish(in: &transaction)
            var turn = DeliveryTurn()
            for number in try dueDestinations(until: moment.steady, inFlight, in: transaction) {
                guard turn.starts.count < capacity else { break }
                turn.starts += try work.begin(
                    number, atMost: capacity - turn.starts.count, inFlight: inFlight[number] ?? 0, owner: owner,
                    leaseSeconds: leaseSeconds, in: &transaction)
            }
            try work.finish(in: &transaction)
            turn.nextDue = try nextHead(in: transaction)
            return turn
        }
    }

    private func nextHead(in transaction: borrowing Transaction) throws(LMDBError) -> Timestamp? {
        var next: Timestamp?
        try scanHeads(in: transaction) { time, _ in
            next = time
            return false
        }
        return next
    }

    /// How many destinations one turn looks at.
    private static let lookedAt = 1024

    private func dueDestinations(
        until now: Timestamp, _ inFlight: [UInt64: Int], in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64] {
        var numbers: [UInt64] = []
        try scanHeads(in: transaction) { time, destination in
            guard time <= now, numbers.count < Self.lookedAt else { return false }
            numbers.append(destination)
            return true
        }
        return numbers
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
