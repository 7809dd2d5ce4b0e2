internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// The worker that begins attempts, and the length of its leases.
struct BeginningWorker {
    let owner: UInt64
    let leaseSeconds: Double
}

/// Chooses the attempts to begin. Slots are shared among owners (`AttemptRoom`); an owner's slots go to its destinations in
/// the order in which they are due.
extension MappedDeliveries {
    /// How many owners one step looks at, and how many destinations of each. The next step continues with the owners that
    /// follow.
    ///
    /// A destination that is due but can begin nothing has attempts in flight, so at most as many destinations are skipped
    /// as there are slots.
    private static let lookedAt = 1024

    /// An owner with destinations of a kind that are due.
    private struct DueOwner {
        let owner: UUID
        let kind: OwnerHeads

        var needsApproval: Bool { kind == .needingApproval }
    }

    /// Owners with due destinations, those that take the fewest slots first. If there are more than `lookedAt`, each call
    /// returns the next part of them.
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
        let slots = found.map { room.slots(of: $0.owner) }
        return zip(found, slots).enumerated().sorted { ($0.element.1, $0.offset) < ($1.element.1, $1.offset) }
            .map(\.element.0)
    }

    /// An owner's due destinations, earliest first.
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

    /// Whether a step would begin an attempt, or remove a delivery of a disabled destination.
    func canBegin(
        _ room: AttemptRoom, _ inFlight: [UInt64: Int], at moment: Moment, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        guard !room.isExhausted else { return false }
        // Restore the cursor, so that the step that begins attempts looks at the same owners.
        let cursor = dueOwnersCursor
        defer { dueOwnersCursor = cursor }
        var work = try DeliveryWork(self, at: moment, in: transaction)
        for due in try dueOwners(room, until: moment.steady, in: transaction) {
            let slots = room.slots(for: due.owner, needsApproval: due.needsApproval)
            guard slots > 0 else { continue }
            for (number, _) in try dueDestinations(of: due, until: moment.steady, in: transaction)
            where try work.canBegin(number, slots: slots, inFlight: inFlight[number] ?? 0, in: transaction) {
                return true
            }
        }
        return false
    }

    /// Begins due attempts. Each owner first gets up to an even share of all slots; the slots left over are then shared
    /// evenly among the owners that can use more, repeatedly.
    func begin(
        _ room: AttemptRoom, _ inFlight: [UInt64: Int], by worker: BeginningWorker, _ work: inout DeliveryWork,
        in transaction: inout Transaction
    ) throws(LMDBError) -> [DeliveryStep.Start] {
        guard !room.isExhausted else { return [] }
        let now = work.moment.steady
        var beginning = Beginning(room: room, inFlight: inFlight)
        var waiting = try dueOwners(room, until: now, in: transaction)
        var share = room.share(waiting: waiting.lazy.map(\.owner))
        while !waiting.isEmpty {
            var more: [DueOwner] = []
            for due in waiting {
                let slots = beginning.room.slots(for: due.owner, needsApproval: due.needsApproval, upTo: share)
                guard slots > 0 else {
                    if beginning.room.all > 0 { more.append(due) }
                    continue
                }
                // An owner that did not use all its slots has nothing more to send.
                if try begin(due, slots, by: worker, &beginning, &work, in: &transaction) >= slots {
                    more.append(due)
                }
            }
            guard beginning.room.all > 0, !more.isEmpty else { break }
            let largest = more.map { beginning.room.slots(of: $0.owner) }.max() ?? 0
            let part = max(1, beginning.room.all / more.count)
            guard
                more.contains(where: { due in
                    beginning.room.slots(
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
        var starts: [DeliveryStep.Start] = []
    }

    /// Begins due attempts of one owner.
    /// - Returns: how many slots they take.
    private func begin(
        _ due: DueOwner, _ slots: Int, by worker: BeginningWorker, _ beginning: inout Beginning,
        _ work: inout DeliveryWork, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        var taken = 0
        for (number, time) in try dueDestinations(of: due, until: work.moment.steady, in: transaction) {
            guard taken < slots else { break }
            guard let (_, state) = try work.destination(number, in: transaction) else {
                // The destination is damaged or missing. Remove its index entry, which would otherwise stay first forever.
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
                number, slots: slots - taken, of: due.owner, held: beginning.room.held,
                inFlight: beginning.inFlight[number] ?? 0, owner: worker.owner, leaseSeconds: worker.leaseSeconds,
                in: &transaction)
            for start in starts {
                beginning.room.take(start)
                beginning.inFlight[number, default: 0] += start.slots
                taken += start.slots
            }
            beginning.starts += starts
        }
        return taken
    }
}
