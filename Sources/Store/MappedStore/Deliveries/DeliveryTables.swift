internal import Delivery
internal import HTTP
internal import LMDB
internal import Values

/// Building blocks of the operations on deliveries.
extension MappedDeliveries {
    // MARK: Destinations

    func destination(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Destination? {
        try tables.destinations.value(at: number, in: transaction)
    }

    func put(_ destination: Destination, in transaction: inout Transaction) throws(LMDBError) {
        try tables.destinations.put(destination, at: destination.number, in: &transaction)
    }

    /// Removes a destination. Its deliveries and its log are removed later, in steps.
    func remove(destination number: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try removeHead(of: number, in: &transaction)
        try tables.destinations.remove(number, in: &transaction)
        try tables.destinationStates.remove(number, in: &transaction)
        try core.put(.deliveries(destination: number), in: &transaction)
    }

    func destinationState(
        _ number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> DestinationState? {
        try tables.destinationStates.value(at: number, in: transaction)
    }

    func put(_ state: DestinationState, of number: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try tables.destinationStates.put(state, at: number, in: &transaction)
    }

    // MARK: Deliveries

    func payload(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Payload? {
        try tables.payloads.value(at: number, in: transaction)
    }

    /// A payload; `nil` also if it is damaged.
    func readablePayload(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Payload? {
        try sparing("number \(number)") { () throws(LMDBError) in try payload(number, in: transaction) }
    }

    /// Visits a destination's deliveries in the order in which they are due, until `body` returns false. Damaged ones are
    /// skipped.
    /// - Parameter time: deliveries due before it are skipped.
    func scanDeliveries(
        of destination: UInt64, after time: Timestamp? = nil, in transaction: borrowing Transaction,
        _ body: (Delivery) -> Bool
    ) throws(LMDBError) {
        let start = DeliveryKey(destination: destination, due: time ?? Timestamp(microseconds: .min))
        try tables.deliveries.scan(from: start, in: transaction) { key, delivery in
            guard key.destination == destination else { return false }
            guard let delivery else {
                noteDamage("a delivery of destination \(destination) is damaged")
                return true
            }
            return body(delivery)
        }
    }

    /// The delivery of a destination that is due first.
    func firstDelivery(of destination: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Delivery? {
        var first: Delivery?
        try scanDeliveries(of: destination, in: transaction) { delivery in
            first = delivery
            return false
        }
        return first
    }

    /// How many deliveries of a destination are searched for one that is no longer under its known key.
    private static let lookedAtForLate = 20_000

    /// The current state of a delivery that was read before; `nil` if it has ended, or is not found in that search. Another
    /// worker may have changed its due time and thereby its key.
    func delivery(like known: Delivery, in transaction: borrowing Transaction) throws(LMDBError) -> Delivery? {
        if let stored = try tables.deliveries.readable(at: DeliveryKey(known), in: transaction) { return stored }
        var (found, seen): (Delivery?, Int) = (nil, 0)
        try scanDeliveries(of: known.destination, in: transaction) { delivery in
            if delivery.number == known.number { found = delivery }
            seen += 1
            return found == nil && seen < Self.lookedAtForLate
        }
        return found
    }

    func dueDeliveries(
        of destination: UInt64, until now: Timestamp, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [Delivery] {
        var due: [Delivery] = []
        try scanDeliveries(of: destination, in: transaction) { delivery in
            guard due.count < limit, delivery.due <= now else { return false }
            due.append(delivery)
            return true
        }
        return due
    }

    // MARK: Next due

    /// The next-due indexes: destinations by the time from which an attempt can begin.
    var heads: [RecordTable<UUIDRecord<TimedNumber>>] { [tables.deliveryHeads, tables.approvalHeads] }

    /// Visits destinations in the order of the time from which an attempt can begin, until `body` returns false.
    func scanHeads(
        _ heads: RecordTable<UUIDRecord<TimedNumber>>, from start: Timestamp? = nil,
        in transaction: borrowing Transaction,
        _ body: (_ time: Timestamp, _ destination: UInt64) -> Bool
    ) throws(LMDBError) {
        try heads.scanKeys(from: start.map { TimedNumber($0, 0) }, in: transaction) { key in body(key.time, key.number)
        }
    }

    func putHead(
        of destination: Destination, at time: Timestamp, in transaction: inout Transaction
    ) throws(LMDBError) {
        let kind: OwnerHeads = destination.approvalPath == nil ? .plain : .needingApproval
        try tables.putHead(kind, of: destination.number, at: time, in: &transaction)
    }

    func removeHead(of number: UInt64, at time: Timestamp, in transaction: inout Transaction) throws(LMDBError) {
        try tables.removeHead(of: number, at: time, in: &transaction)
    }

    func removeHead(of number: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        let told = try sparing("destination \(number)") { () throws(LMDBError) -> [Timestamp] in
            [try destinationState(number, in: transaction)?.head].compactMap { $0 }
        }
        // A damaged state does not say at what time the destination is indexed: search the indexes.
        let times = if let told { told } else { try headTimes(of: number, in: transaction) }
        for time in times { try removeHead(of: number, at: time, in: &transaction) }
    }

    private func headTimes(of number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> [Timestamp] {
        var times: [Timestamp] = []
        for heads in heads {
            try scanHeads(heads, in: transaction) { time, destination in
                if destination == number { times.append(time) }
                return true
            }
        }
        return times
    }

    // MARK: State

    func deliveryState(in transaction: borrowing Transaction) throws(LMDBError) -> DeliveryState {
        try core.shared(
            tables.deliveryState,
            rebuilt: { () throws(LMDBError) in try tables.rebuiltDeliveryState(in: transaction) }, in: transaction)
            ?? DeliveryState()
    }

    func put(_ state: DeliveryState, in transaction: inout Transaction) throws(LMDBError) {
        try tables.deliveryState.put(state, in: &transaction)
    }
}

extension Destination {
    func numbered(_ number: UInt64, keyring: UInt64?) -> Destination {
        Destination(
            number: number, url: url, method: method, contentType: contentType, sealedHeaders: sealedHeaders,
            keyring: keyring, sealedSecret: sealedSecret, policy: policy, limits: limits,
            disabledUntil: disabledUntil, disabledReason: disabledReason, disabledAt: disabledAt,
            protocolKind: protocolKind, approvalPath: approvalPath, consent: consent, shape: shape)
    }
}
