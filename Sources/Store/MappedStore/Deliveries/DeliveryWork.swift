internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// Changes to destinations and their deliveries within one transaction. Destinations and states are read once and cached;
/// `finish` writes those that have changed.
struct DeliveryWork {
    let store: MappedDeliveries
    let moment: Moment
    var state: DeliveryState
    private let stateBefore: DeliveryState
    var metrics: DeliveryMetricsRecord
    private let metricsBefore: DeliveryMetricsRecord
    private var touched: [UInt64: Touched] = [:]
    /// Events to report to operators.
    var events: [OperationalEvent] = []

    private struct Touched {
        var destination: Destination
        let destinationBefore: Destination
        var state: DestinationState
        let stateBefore: DestinationState
    }

    init(
        _ store: MappedDeliveries, at moment: Moment, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        self.store = store
        self.moment = moment
        state = try store.deliveryState(in: transaction)
        stateBefore = state
        metrics = try store.deliveryMetrics(in: transaction)
        metricsBefore = metrics
    }

    mutating func takeDestinationNumber() -> UInt64 {
        state.nextDestination += 1
        return state.nextDestination - 1
    }

    mutating func takeKeyringNumber() -> UInt64 {
        state.nextKeyring += 1
        return state.nextKeyring - 1
    }

    /// Stores a payload under the next number.
    mutating func storePayload(
        _ content: Payload.Content, in transaction: inout Transaction
    ) throws(LMDBError) -> Payload {
        let payload = Payload(number: state.nextPayload, content, receivedAt: moment.wall)
        let record = Encoded<PayloadRecord>(payload)
        state.nextPayload += 1
        state.bytes += UInt64(record.byteCount)
        try store.tables.payloads.put(record, at: payload.number, in: &transaction)
        return payload
    }

    // MARK: Destinations

    /// A destination and its state; `nil` if one of them is missing or damaged.
    mutating func destination(
        _ number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (Destination, DestinationState)? {
        if let found = touched[number] { return (found.destination, found.state) }
        let kept = try store.sparing("destination \(number)") {
            () throws(LMDBError) -> (Destination, DestinationState)? in
            guard let destination = try store.destination(number, in: transaction),
                let state = try store.destinationState(number, in: transaction)
            else { return nil }
            return (destination, state)
        }
        guard let (destination, state) = kept else { return nil }
        touched[number] = Touched(
            destination: destination, destinationBefore: destination, state: state, stateBefore: state)
        return (destination, state)
    }

    mutating func change(_ number: UInt64, _ body: (inout Destination, inout DestinationState) -> Void) {
        guard var entry = touched[number] else { preconditionFailure("a destination was changed before it was read") }
        body(&entry.destination, &entry.state)
        touched[number] = entry
    }

    /// Updates the state of a changed destination; `finish` then updates its entry in the next-due index.
    ///
    /// A change of the URL, the retry policy or the disabling resets the failure history. A change of the rate limit resets
    /// the attempts counted against it.
    mutating func reconsider(
        _ number: UInt64, before: Destination, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        guard let (now, _) = try destination(number, in: transaction) else { return }
        let forgives =
            now.disabledUntil != before.disabledUntil || now.url != before.url || now.policy != before.policy
        if forgives { change(number) { $1.health.forgive() } }
        if now.limits.rate != before.limits.rate { change(number) { $1.health.rateFree = nil } }
    }

    /// Turns ordering off: only the failed delivery keeps waiting for its retry, no longer all those after it.
    mutating func endOrder(of number: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        guard let (_, state) = try destination(number, in: transaction), let gate = state.gate,
            var first = try store.firstDelivery(of: number, in: transaction), first.owner == 0
        else { return }
        // While an attempt is in flight, the hold stays until it has ended.
        try store.tables.deliveries.remove(DeliveryKey(first), in: &transaction)
        first.due = max(first.due, gate)
        try put(first, in: &transaction)
        change(number) { $1.gate = nil }
    }

    /// Writes what has changed.
    mutating func finish(in transaction: inout Transaction) throws(LMDBError) {
        for number in touched.keys.sorted() {
            guard var entry = touched[number] else { continue }
            try moveHead(of: entry.destination, &entry.state, in: &transaction)
            if entry.destination != entry.destinationBefore {
                try store.put(entry.destination, in: &transaction)
            }
            if entry.state != entry.stateBefore { try store.put(entry.state, of: number, in: &transaction) }
        }
        touched = [:]
        if state != stateBefore { try store.put(state, in: &transaction) }
        if metrics != metricsBefore {
            try store.tables.deliveryMetrics.put(metrics, in: &transaction)
        }
    }

    /// Updates the entry of a destination in the next-due index: the time from which an attempt can begin. A destination
    /// without deliveries has no entry.
    private func moveHead(
        of destination: Destination, _ state: inout DestinationState, in transaction: inout Transaction
    ) throws(LMDBError) {
        var head: Timestamp?
        if let first = try store.firstDelivery(of: destination.number, in: transaction) {
            var gates = [state.gate, state.health.opensAt]
            if destination.limits.rate != nil {
                gates.append(state.health.allowance(destination, inFlight: 0, at: moment.steady).again)
            }
            // Deliveries to a disabled destination do not wait: they are removed and logged.
            if isPutAside(first, destination, state) { gates = [] }
            head = gates.compactMap { $0 }.reduce(first.due, max)
        }
        guard head != state.head else { return }
        if let old = state.head { try store.removeHead(of: destination.number, at: old, in: &transaction) }
        if let new = head { try store.putHead(of: destination, at: new, in: &transaction) }
        state.head = head
    }

    /// Whether a due delivery is removed instead of attempted, because its destination is disabled. An attempt in flight may
    /// finish until its lease ends. Manual and test deliveries are sent all the same.
    func isPutAside(_ delivery: Delivery, _ destination: Destination, _ state: DestinationState) -> Bool {
        guard destination.isDisabled(at: moment.wall), delivery.trigger == .scheduled || delivery.trigger == .recover
        else { return false }
        return delivery.owner == 0 || max(delivery.due, state.gate ?? delivery.due) <= moment.steady
    }

    // MARK: Deliveries

    /// Creates a delivery that is due now. For a scheduled delivery to a disabled destination it writes a log entry instead.
    /// - Parameter isRepair: whether the payload had been given up before.
    /// - Returns: the delivery's id, or `nil` if none was created.
    mutating func deliver(
        _ payload: Payload, to number: UInt64, _ trigger: Trigger, isRepair: Bool = false,
        in transaction: inout Transaction
    ) throws(LMDBError) -> UUID? {
        guard let (destination, _) = try destination(number, in: transaction) else { return nil }
        var random = SystemRandomNumberGenerator()
        let id = UUID(random: &random)
        let delivery = Delivery(
            number: state.nextDelivery, destination: number, payload: payload.number, id: id, trigger: trigger,
            isRepair: isRepair, due: moment.steady, created: moment.steady)
        if destination.isDisabled(at: moment.wall), trigger == .scheduled {
            try logDisabled(delivery, destination, payload, in: &transaction)
            return nil
        }
        state.nextDelivery += 1
        try put(delivery, in: &transaction)
        try store.tables.holds.put(number, at: OwnedNumber(payload.number, delivery.number), in: &transaction)
        if trigger == .recover || trigger == .manual {
            try store.takeUpLost(payload.number, at: number, in: &transaction)
        }
        change(number) { $1.pending += 1 }
        state.pending += 1
        return id
    }

    mutating func put(_ delivery: Delivery, in transaction: inout Transaction) throws(LMDBError) {
        try store.tables.deliveries.put(delivery, at: DeliveryKey(delivery), in: &transaction)
    }

    /// Writes a log entry: nothing was sent, because the destination is disabled.
    mutating func logDisabled(
        _ delivery: Delivery, _ destination: Destination, _ payload: Payload?, in transaction: inout Transaction
    ) throws(LMDBError) {
        let text =
            destination.disabledReason.map { "the destination is disabled: \($0)" } ?? "the destination is disabled"
        let attempt = Attempt(failure: Attempt.Failure(kind: .disabled, text: text), triggeredAt: moment.wall)
        _ = try log(
            attempt, of: delivery, destination, payload, count: delivery.attempts, nextRetryAt: nil, isFinal: true,
            in: &transaction)
    }

    /// Writes a log entry for an attempt that another system made. No attempt follows it.
    mutating func log(
        _ attempt: Attempt, of payload: Payload, to destination: Destination, in transaction: inout Transaction
    ) throws(LMDBError) {
        let delivery = Delivery(
            number: 0, destination: destination.number, payload: payload.number, id: Self.noDelivery,
            due: moment.steady, created: moment.steady)
        _ = try log(
            attempt, of: delivery, destination, payload, count: 1, nextRetryAt: nil, isFinal: true, in: &transaction)
    }

    private static let noDelivery = UUID("00000000-0000-0000-0000-000000000000")!

    mutating func log(
        _ attempt: Attempt, of delivery: Delivery, _ destination: Destination, _ payload: Payload?, count: UInt32,
        nextRetryAt: Timestamp?, isFinal: Bool, in transaction: inout Transaction
    ) throws(LMDBError) -> AttemptRecord {
        let record = AttemptRecord(
            number: state.nextLog, destination: destination.number, payload: delivery.payload,
            eventID: payload?.eventID ?? "", event: payload?.event ?? "", count: count, trigger: delivery.trigger,
            method: destination.method, url: destination.url, attempt: attempt, nextRetryAt: nextRetryAt,
            isFinal: isFinal)
        let line = Encoded<AttemptRecord>(record)
        state.nextLog += 1
        state.bytes += UInt64(line.byteCount)
        try store.tables.attempts.put(line, at: record.number, in: &transaction)
        try store.tables.attemptIndex.put(OwnedNumber(destination.number, record.number), in: &transaction)
        try store.tables.attemptPayloads.put(OwnedNumber(record.payload, record.number), in: &transaction)
        if isFinal, delivery.trigger != .test {
            try noteOutcome(of: record, payload, in: &transaction)
        }
        return record
    }

    /// Records whether a delivery that has ended can be recovered: it failed, and its payload is stored.
    private func noteOutcome(
        of record: AttemptRecord, _ payload: Payload?, in transaction: inout Transaction
    ) throws(LMDBError) {
        if record.attempt.failure != nil, payload != nil {
            let line = LostPayload.Line(number: record.number, time: moment.wall)
            try store.addLost(line, of: record.payload, at: record.destination, in: &transaction)
        } else {
            try store.removeLost(record.payload, at: record.destination, in: &transaction)
        }
    }
}
