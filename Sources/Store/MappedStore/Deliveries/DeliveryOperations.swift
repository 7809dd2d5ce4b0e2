package import Delivery
internal import HTTP
internal import LMDB
package import Values

extension MappedDeliveries: DeliveryStore {
    package func step(
        _ results: [DeliveryResult], beginning room: AttemptRoom, inFlight: [UInt64: Int], owner: UInt64,
        leaseSeconds: Double, policies: RetryPolicies, at moment: Moment
    ) throws(StoreFailure) -> DeliveryStep {
        if results.isEmpty {
            // If nothing can begin, there is nothing to write.
            let (isDue, next) = try read { (transaction) throws(LMDBError) in
                let isDue = try canBegin(room, inFlight, at: moment, in: transaction)
                return (isDue, try nextHead(after: moment.steady, in: transaction))
            }
            guard isDue else { return DeliveryStep(nextDue: next) }
        }
        return try growing { (transaction) throws(LMDBError) -> DeliveryStep? in
            guard let taken = try admitted(results, in: &transaction) else { return nil }
            var work = try DeliveryWork(self, at: moment, in: transaction)
            for result in taken {
                try sparing("delivery \(result.delivery.number)") { () throws(LMDBError) in
                    try work.conclude(result, policies, in: &transaction)
                }
            }
            try work.finish(in: &transaction)
            var step = DeliveryStep(concluded: taken.count)
            let worker = BeginningWorker(owner: owner, leaseSeconds: leaseSeconds)
            step.starts = try begin(room, inFlight, by: worker, &work, in: &transaction)
            try work.finish(in: &transaction)
            step.nextDue = try nextHead(after: moment.steady, in: transaction)
            step.events = work.events
            return step
        }
    }

    /// The results that the store has room for; `nil` if it has no room. If there is little room, the first `briefResults`
    /// are written without headers and bodies: results must not wait for room that only ended deliveries can free.
    private func admitted(
        _ results: [DeliveryResult], in transaction: inout Transaction
    ) throws(LMDBError) -> [DeliveryResult]? {
        let brief = results.prefix(Self.briefResults).map(\.brief)
        for taken in [results, brief] {
            let bytes = taken.reduce(Self.stepBytes) { $0 + $1.attempt.loggedBytes + Self.resultBytes }
            let largest = taken.reduce(0) { max($0, $1.attempt.loggedBytes + Self.resultBytes) }
            if try admit(bytes: bytes, largest: largest, leaving: 0, in: &transaction) { return taken }
        }
        return nil
    }

    /// Bytes admitted for a step, and for each of its results beside the log entry: copies of the pages that they change.
    private static let stepBytes = 64 << 10
    private static let resultBytes = 4 << 10
    private static let briefResults = 64

    /// When the next destination becomes due. Those that are due already and only wait for a slot do not count.
    private func nextHead(
        after now: Timestamp, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Timestamp? {
        var next: Timestamp?
        for heads in heads {
            try scanHeads(heads, from: now.adding(seconds: 1e-6), in: transaction) { time, _ in
                next = min(next ?? time, time)
                return false
            }
        }
        return next
    }

    package func endLeases(longest leaseSeconds: Double, at moment: Moment) throws(StoreFailure) -> Int {
        let isAny = try read { (transaction) throws(LMDBError) in
            try deliveryState(in: transaction).inFlight > 0
        }
        guard isAny else { return 0 }
        return try write { (transaction) throws(LMDBError) in
            var work = try DeliveryWork(self, at: moment, in: transaction)
            var numbers: [UInt64] = []
            for heads in heads {
                try scanHeads(heads, in: transaction) { _, destination in
                    numbers.append(destination)
                    return true
                }
            }
            var count = 0
            for number in numbers where count < work.state.inFlight {
                let longest = Double(Destination.mostRequests) * leaseSeconds
                let end = moment.steady.adding(seconds: longest)
                count += try work.endLeases(of: number, until: end, in: &transaction)
            }
            try work.finish(in: &transaction)
            return count
        }
    }

    package func hasDestinations() throws(StoreFailure) -> Bool {
        try read { (transaction) throws(LMDBError) in try tables.destinations.count(in: transaction) > 0 }
    }

    func keyring(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Keyring? {
        try tables.keyrings.value(at: number, in: transaction)
    }
}
