internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// Who begins attempts.
struct BeginningWorker {
    let owner: UInt64
    let leaseSeconds: Double
}

/// Which attempts are begun: places are shared among owners (`AttemptRoom`), and an owner's among its destinations by time.
extension MappedDeliveries {
    /// Owners that one turn looks at, and destinations of each; those that follow are looked at in the next turn.
    ///
    /// A destination that is due and can begin nothing has attempts in flight, so that no more than there are places are
    /// passed over.
    private static let lookedAt = 1024

    /// An owner for whom something is due.
    private struct DueOwner {
        let owner: UUID
        let kind: OwnerHeads

        var needsApproval: Bool { kind == .needingApproval }
    }

    /// Owners for whom something is due, those with the fewest places first. They are told by turns where they are very many.
    private func dueOwners(
        _ room: AttemptRoom, until now: Timestamp, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [DueOwner] {
        var found: [DueOwner] = []
        var next: DueOwnerKey?
        for kind in OwnerHeads.allCases {
            let due = try tables.dueOwners(
                kind, from: dueOwnersCursor, until: now, limit: Self.lookedAt, in: transaction)
            found += due.owners.map { DueOwner(owner: $0, kind: kind) }
            if next == nil { next = due.next }
        }
        dueOwnersCursor = next
        let places = found.map { room.places(of: $0.owner) }
        return zip(found, places).enumerated().sorted { ($0.element.1, $0.offset) < ($1.element.1, $1.offset) }
            .map(\.element.0)
    }

    /// An owner's destinations for which something is due, the earliest first.
    private func dueDestinations(
        of due: DueOwner, until now: Timestamp, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [(number: UInt64, time: Timestamp)] {
        var found: [(number: UInt64, time: Timestamp)] = []
        try tables.scanHeads(due.kind, of: due.owner, in: transaction) { time, number in
            guard time <= now, found.count < Self.lookedAt else { return false }
            found.append((number, time))
            return true
        }
        return found
    }

    /// Whether a turn would begin anything, or put anything aside.
    func canBegin(
        _ room: AttemptRoom, _ inFlight: [UInt64: Int], at moment: Moment, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        guard !room.isExhausted else { return false }
        // The turn that begins looks at the same owners.
        let cursor = dueOwnersCursor
        defer { dueOwnersCursor = cursor }
        var work = try DeliveryWork(self, at: moment, in: transaction)
        for due in try dueOwners(room, until: moment.steady, in: transaction) {
            let places = room.places(for: due.owner, needsApproval: due.needsApproval)
            guard places > 0 else { continue }
            for (number, _) in try dueDestinations(of: due, until: moment.steady, in: transaction)
            where try work.canBegin(number, places: places, inFlight: inFlight[number] ?? 0, in: transaction) {
                return true
            }
        }
        return false
    }

    /// Begins what is due: first up to an even share of all places, then what is left, in parts that are even again.
    func begin(
        _ room: AttemptRoom, _ inFlight: [UInt64: Int], by worker: BeginningWorker, _ work: inout DeliveryWork,
        in transaction: inout Transaction
    ) throws(LMDBError) -> [DeliveryTurn.Start] {
        guard !room.isExhausted else { return [] }
        let now = work.moment.steady
        var beginning = Beginning(room: room, inFlight: inFlight)
        var waiting = try dueOwners(room, until: now, in: transaction)
        var share = room.share(waiting: waiting.lazy.map(\.owner))
        while !waiting.isEmpty {
            var more: [DueOwner] = []
            for due in waiting {
                let places = beginning.room.places(for: due.owner, needsApproval: due.needsApproval, upTo: share)
                guard places > 0 else {
                    if beginning.room.all > 0 { more.append(due) }
                    continue
                }
                // Who did not use them all has nothing more to send.
                if try begin(due, places, by: worker, &beginning, &work, in: &transaction) >= places {
                    more.append(due)
                }
            }
            guard beginning.room.all > 0, !more.isEmpty else { break }
            let largest = more.map { beginning.room.places(of: $0.owner) }.max() ?? 0
            let part = max(1, beginning.room.all / more.count)
            guard
                more.contains(where: { due in
                    beginning.room.places(
                        for: due.owner, needsApproval: due.needsApproval, upTo: max(share, largest) + part) > 0
                })
            else { break }
            share = max(share, largest) + part
            waiting = more
        }
        return beginning.starts
    }

    private struct Beginning {
        var room: AttemptRoom
        var inFlight: [UInt64: Int]
        var starts: [DeliveryTurn.Start] = []
    }

    /// Begins what is due for one owner.
    /// - Returns: how many places that took.
    private func begin(
        _ due: DueOwner, _ places: Int, by worker: BeginningWorker, _ beginning: inout Beginning,
        _ work: inout DeliveryWork, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        var taken = 0
        for (number, time) in try dueDestinations(of: due, until: work.moment.steady, in: transaction) {
            guard taken < places else { break }
            guard let (_, state) = try work.destination(number, in: transaction) else {
                // It is damaged, and would stay the first for ever.
                try removeHead(of: number, at: time, in: &transaction)
                try tables.removeOwned(due.kind, due.owner, of: number, at: time, in: &transaction)
                continue
            }
            guard state.head == time else {
                // The indexes do not agree: one of them was damaged.
                try tables.removeOwned(due.kind, due.owner, of: number, at: time, in: &transaction)
                continue
            }
            let starts = try work.begin(
                number, places: places - taken, of: due.owner, held: beginning.room.held,
                inFlight: beginning.inFlight[number] ?? 0, owner: worker.owner, leaseSeconds: worker.leaseSeconds,
                in: &transaction)
            for start in starts {
                beginning.room.take(start)
                beginning.inFlight[number, default: 0] += start.places
                taken += start.places
            }
            beginning.starts += starts
        }
        return taken
    }
}
