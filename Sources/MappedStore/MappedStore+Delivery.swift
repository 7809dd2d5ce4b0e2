package import Delivery
package import Gateway
internal import LMDB

extension MappedStore: DeliveryStore {
    package func turn(
        _ results: [DeliveryResult], beginning room: AttemptRoom, inFlight: [UInt64: Int], owner: UInt64,
        leaseSeconds: Double, policies: RetryPolicies, at moment: Moment
    ) throws(StoreFailure) -> DeliveryTurn {
        if results.isEmpty {
            // Where nothing can be begun nothing is written.
            let (isDue, next) = try read { (transaction) throws(LMDBError) in
                let isDue = try canBegin(room, inFlight, at: moment, in: transaction)
                return (isDue, try nextHead(after: moment.steady, in: transaction))
            }
            guard isDue else { return DeliveryTurn(nextDue: next) }
        }
        return try growing { (transaction) throws(LMDBError) -> DeliveryTurn? in
            guard let taken = try admitted(results, in: &transaction) else { return nil }
            var work = try DeliveryWork(self, at: moment, in: transaction)
            for result in taken {
                try sparing("delivery \(result.delivery.number)") { () throws(LMDBError) in
                    try work.conclude(result, policies, in: &transaction)
                }
            }
            try work.finish(in: &transaction)
            var turn = DeliveryTurn(concluded: taken.count)
            var left = room
            for due in try dueDestinations(until: moment.steady, room, in: transaction) {
                guard left.all > 0 else { break }
                guard left.needingApproval > 0 || !due.needsApproval else { continue }
                guard try work.destination(due.number, in: transaction) != nil else {
                    // It is damaged, and would stay the first for ever.
                    try removeHead(of: due.number, at: due.time, in: &transaction)
                    continue
                }
                let starts = try work.begin(
                    due.number, left, inFlight: inFlight[due.number] ?? 0, owner: owner, leaseSeconds: leaseSeconds,
                    in: &transaction)
                for start in starts { left.take(start) }
                turn.starts += starts
            }
            try work.finish(in: &transaction)
            turn.nextDue = try nextHead(after: moment.steady, in: transaction)
            turn.events = work.events
            return turn
        }
    }

    /// The results that there is room for; `nil` where there is none. Where there is little, they are told in brief, a few at
    /// a time: nothing that was begun may wait for room that only ends of deliveries can make.
    private func admitted(
        _ results: [DeliveryResult], in transaction: inout Transaction
    ) throws(LMDBError) -> [DeliveryResult]? {
        let brief = results.prefix(Self.briefResults).map(\.brief)
        for taken in [results, brief] {
            let bytes = taken.reduce(Self.turnBytes) { $0 + $1.attempt.loggedBytes + Self.resultBytes }
            let largest = taken.reduce(0) { max($0, $1.attempt.loggedBytes + Self.resultBytes) }
            if try admit(bytes: bytes, largest: largest, leaving: 0, in: &transaction) { return taken }
        }
        return nil
    }

    /// What a turn may take up, and each result in it beside its line of the log: copies of the pages that they change.
    private static let turnBytes = 64 << 10
    private static let resultBytes = 4 << 10
    private static let briefResults = 64

    private func canBegin(
        _ room: AttemptRoom, _ inFlight: [UInt64: Int], at moment: Moment, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        var work = try DeliveryWork(self, at: moment, in: transaction)
        for due in try dueDestinations(until: moment.steady, room, in: transaction)
        where try work.canBegin(due.number, room, inFlight: inFlight[due.number] ?? 0, in: transaction) {
            return true
        }
        return false
    }

    /// When the next destination's time comes; what waits for a place alone is not among them.
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

    /// How many destinations one turn looks at, of those that need nobody's agreement and of the others.
    private static let lookedAt = 1024

    private struct DueDestination {
        let number: UInt64
        let time: Timestamp
        let needsApproval: Bool
    }

    /// Destinations whose time has come and for whom there may be room, the earliest first.
    private func dueDestinations(
        until now: Timestamp, _ room: AttemptRoom, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [DueDestination] {
        guard room.all > 0 else { return [] }
        var due: [DueDestination] = []
        for needsApproval in room.needingApproval > 0 ? [false, true] : [false] {
            let count = due.count
            let heads = needsApproval ? tables.approvalHeads : tables.deliveryHeads
            try scanHeads(heads, in: transaction) { time, number in
                guard time <= now, due.count - count < Self.lookedAt else { return false }
                due.append(DueDestination(number: number, time: time, needsApproval: needsApproval))
                return true
            }
        }
        return due.sorted { ($0.time, $0.number) < ($1.time, $1.number) }
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
                let end = moment.steady.adding(seconds: leaseSeconds)
                count += try work.endLeases(of: number, until: end, in: &transaction)
            }
            try work.finish(in: &transaction)
            return count
        }
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
