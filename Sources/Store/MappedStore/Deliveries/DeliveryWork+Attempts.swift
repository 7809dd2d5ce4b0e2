internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// Begins attempts and ends leases.
extension DeliveryWork {
    /// How many deliveries of a disabled destination one step removes.
    private static let putAside = 64

    /// Whether a step would change anything for a destination: begin an attempt, remove a delivery of a disabled
    /// destination, or correct the index if the destination is missing, damaged or without deliveries.
    /// - Parameter room: how many slots the destination may take.
    mutating func canBegin(
        _ number: UInt64, slots room: Int, inFlight: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        guard let (destination, state) = try destination(number, in: transaction) else { return true }
        guard let first = try store.firstDelivery(of: number, in: transaction) else { return true }
        if isPutAside(first, destination, state) { return first.due <= moment.steady }
        let count = min(room, allowance(destination, state, inFlight: inFlight))
        return try slots(for: first, count, taken: inFlight, in: transaction) != nil
    }

    /// The slots that an attempt takes; `nil` if fewer are free. An attempt that needs more slots than are free begins if
    /// its destination has no other attempt in flight.
    /// - Parameters:
    ///   - count: how many slots are free.
    ///   - taken: how many slots the destination's other attempts take.
    private func slots(
        for delivery: Delivery, _ count: Int, taken: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Int? {
        guard count > 0 else { return nil }
        let bytes = try store.tables.payloads.part(at: delivery.payload, in: transaction) { $0.byteCount } ?? 0
        let slots = Payload.slots(bytes: bytes)
        return slots <= count || taken == 0 ? slots : nil
    }

    private func allowance(_ destination: Destination, _ state: DestinationState, inFlight: Int) -> Int {
        if let gate = state.gate, gate > moment.steady { return 0 }
        return state.health.allowance(destination, inFlight: inFlight, at: moment.steady).count
    }

    /// Begins attempts for a destination that is due.
    /// - Parameters:
    ///   - room: how many slots the destination may take.
    ///   - owner: the worker.
    ///   - user: the destination's owner.
    ///   - held: deliveries whose attempts the worker is making, or has made without writing the results.
    mutating func begin(
        _ number: UInt64, slots room: Int, of user: UUID, held: Set<UInt64>, inFlight: Int, owner: UInt64,
        leaseSeconds: Double, in transaction: inout Transaction
    ) throws(LMDBError) -> [DeliveryStep.Start] {
        guard let (destination, standing) = try destination(number, in: transaction) else { return [] }
        let count = min(room, allowance(destination, standing, inFlight: inFlight))
        let looks = destination.isDisabled(at: moment.wall) ? Self.putAside : count
        guard looks > 0 else { return [] }
        let isForOperators = try store.operatorsDestination(in: transaction) == number
        var starts: [DeliveryStep.Start] = []
        var taken = 0
        for delivery in try store.dueDeliveries(of: number, until: moment.steady, limit: looks, in: transaction) {
            if isPutAside(delivery, destination, standing) {
                try putAside(delivery, destination, in: &transaction)
                continue
            }
            let lease = moment.steady.adding(seconds: Double(destination.requests) * leaseSeconds)
            if delivery.owner == owner, held.contains(delivery.number) {
                // The lease ran out, but this worker still has the attempt: renew the lease.
                try renew(delivery, destination, until: lease, in: &transaction)
                if destination.limits.isOrdered { break }
                continue
            }
            guard let slots = try slots(for: delivery, count - taken, taken: inFlight + taken, in: transaction) else {
                break
            }
            taken += slots
            let payload = try store.readablePayload(delivery.payload, in: transaction)
            // A delivery whose lease ran out is counted as in flight already.
            if delivery.owner == 0 { state.inFlight += 1 }
            if !isForOperators { metrics.metrics.lag.add(moment.steady.seconds(since: delivery.due)) }
            var begun = delivery
            begun.owner = owner
            begun = try renew(begun, destination, until: lease, in: &transaction)
            let now = moment.steady
            change(number) { $1.health.begin(destination, at: now) }
            let keys = try keys(of: destination, in: transaction)
            starts.append(
                DeliveryStep.Start(
                    delivery: begun, destination: destination, owner: user, payload: payload, keys: keys))
            if destination.limits.isOrdered { break }
        }
        return starts
    }

    /// The keys that sign a destination's calls. If they are damaged, only the deliveries that need them fail.
    private func keys(
        of destination: Destination, in transaction: borrowing Transaction
    ) throws(LMDBError) -> DeliveryStep.Keys {
        guard let number = destination.keyring else { return .none }
        let keyring = try store.sparing("keyring \(number)") { () throws(LMDBError) in
            try store.keyring(number, in: transaction)
        }
        return keyring.map { .keyring($0) } ?? .damaged
    }

    /// Extends the lease of a delivery until a time. For an ordered destination the hold is extended instead of the due
    /// time.
    /// - Returns: the delivery as it is stored now.
    @discardableResult
    private mutating func renew(
        _ delivery: Delivery, _ destination: Destination, until lease: Timestamp, in transaction: inout Transaction
    ) throws(LMDBError) -> Delivery {
        var leased = delivery
        if destination.limits.isOrdered {
            change(destination.number) { $1.gate = lease }
        } else {
            try store.tables.deliveries.remove(DeliveryKey(delivery), in: &transaction)
            leased.due = lease
        }
        try put(leased, in: &transaction)
        return leased
    }

    /// Makes deliveries due now whose attempts were lost with their worker, as if their leases had ended.
    /// - Parameter end: the latest time at which a lease can end.
    /// - Returns: how many deliveries these were.
    mutating func endLeases(
        of number: UInt64, until end: Timestamp, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        var begun: [Delivery] = []
        // An ordered delivery in flight keeps its due time; the hold has the end of its lease.
        let first = try store.firstDelivery(of: number, in: transaction)
        if let first, first.owner != 0, first.due <= moment.steady { begun.append(first) }
        try store.scanDeliveries(of: number, after: moment.steady, in: transaction) { delivery in
            if delivery.owner != 0, delivery.due > moment.steady { begun.append(delivery) }
            return delivery.due <= end
        }
        guard !begun.isEmpty, try destination(number, in: transaction) != nil else { return 0 }
        for var delivery in begun where delivery.due > moment.steady {
            try store.tables.deliveries.remove(DeliveryKey(delivery), in: &transaction)
            delivery.due = moment.steady
            try put(delivery, in: &transaction)
        }
        if let first, begun.contains(first) { change(number) { $1.gate = nil } }
        return begun.count
    }

    private mutating func putAside(
        _ delivery: Delivery, _ destination: Destination, in transaction: inout Transaction
    ) throws(LMDBError) {
        let payload = try store.readablePayload(delivery.payload, in: transaction)
        try store.tables.deliveries.remove(DeliveryKey(delivery), in: &transaction)
        try store.tables.holds.remove(OwnedNumber(delivery.payload, delivery.number), in: &transaction)
        state.pending -= min(state.pending, 1)
        if delivery.owner != 0 { state.inFlight -= min(state.inFlight, 1) }
        change(destination.number) { destination, state in
            state.pending -= min(state.pending, 1)
            // The hold was for this delivery, which is the first.
            if destination.limits.isOrdered { state.gate = nil }
        }
        try logDisabled(delivery, destination, payload, in: &transaction)
    }
}
