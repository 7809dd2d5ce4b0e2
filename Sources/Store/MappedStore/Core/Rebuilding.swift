internal import Capture
internal import Delivery
internal import Events
internal import LMDB
internal import Queues

/// Rebuilds records that all requests of an API share from the other records if they are damaged: one damaged record must
/// not fail every request.
extension Tables {
    /// One more than the highest number that a key in these tables begins with.
    private func next(in tables: [Table], _ transaction: borrowing Transaction) throws(LMDBError) -> UInt64 {
        var next: UInt64 = 1
        for table in tables {
            try table.scan(backwards: true, in: transaction) { key, _ in
                var reader = ByteReader(key)
                guard let number = reader.fixed(), number < .max else { return true }
                next = max(next, number + 1)
                return false
            }
        }
        return next
    }

    func rebuiltCaptureState(in transaction: borrowing Transaction) throws(LMDBError) -> CaptureState {
        var state = CaptureState()
        state.nextEndpoint = try next(
            in: [
                endpoints.bytes, refusals.table.bytes, notificationDeliveries.bytes, confirmations.bytes,
                forwardings.bytes,
                forwardContents.table.bytes, pendingForwards.bytes,
            ], transaction)
        return state
    }

    /// - Parameter seconds: since 1970.
    func rebuiltQueueState(at seconds: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> QueueState {
        var state = QueueState(time: seconds)
        state.nextQueue = try next(in: [queues.bytes, queueLogs.bytes, messages.table.bytes], transaction)
        state.nextUser = try next(in: [rights.bytes, clients.bytes], transaction)
        // What is to be removed of a deleted queue or user must not be taken from a new one.
        try garbage.scanKeys(in: transaction) { garbage in
            switch garbage {
            case .messages(let queue): state.nextQueue = max(state.nextQueue, queue + 1)
            case .clients(let user): state.nextUser = max(state.nextUser, user + 1)
            case .deliveries: break
            }
            return true
        }
        try users.scan(in: transaction) { _, user in
            if let user, user.number < .max {
                state.nextUser = max(state.nextUser, user.number + 1)
            }
            return true
        }
        try rights.scan(in: transaction) { _, right in
            if let right, right < .max { state.nextRight = max(state.nextRight, right + 1) }
            return true
        }
        state.isConfigured = try queues.count(in: transaction) + users.count(in: transaction) > 0
        return state
    }

    func rebuiltDeliveryState(in transaction: borrowing Transaction) throws(LMDBError) -> DeliveryState {
        var state = DeliveryState()
        state.nextDestination = try next(
            in: [destinations.bytes, destinationStates.bytes, deliveries.bytes, attemptIndex.bytes], transaction)
        state.nextPayload = try next(in: [payloads.bytes, routedEvents.bytes, attemptPayloads.bytes], transaction)
        state.nextLog = try next(in: [attempts.bytes], transaction)
        state.nextKeyring = try next(in: [keyrings.bytes], transaction)
        try deliveries.scan(in: transaction) { _, delivery in
            state.pending += 1
            guard let delivery, delivery.number < .max else { return true }
            state.nextDelivery = max(state.nextDelivery, delivery.number + 1)
            if delivery.owner != 0 { state.inFlight += 1 }
            return true
        }
        for table in [payloads.bytes, attempts.bytes] {
            try table.scan(in: transaction) { _, value in
                state.bytes += UInt64(value.byteCount)
                return true
            }
        }
        // Clients may have seen log entries that were dropped since.
        if state != DeliveryState() { state.jump() }
        return state
    }

    func rebuiltEventsState(in transaction: borrowing Transaction) throws(LMDBError) -> EventsState {
        var state = EventsState()
        state.nextRevision = try next(in: [expressions.bytes, goneExpressions.bytes], transaction)
        state.goneCount = UInt64(try goneExpressions.count(in: transaction))
        return state
    }
}

extension StoreCore {
    /// A shared record, rebuilt if it is damaged.
    /// - Returns: `nil` if the record was never written.
    func shared<Record>(
        _ record: SingleRecord<Record>, rebuilt: () throws(LMDBError) -> Record.Value,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> Record.Value? {
        if let value = try record.readable(in: transaction) { return value }
        guard try record.isDamaged(in: transaction) else { return nil }
        damage.note("\(Record.name) is damaged and is rebuilt from the other records")
        return try rebuilt()
    }
}
