internal import Delivery
internal import Events
internal import HTTP
internal import LMDB
package import Storage
package import Values

/// An operator's work on events while the service runs. It is done in steps, so that the service can write between them.
extension MappedEvents: EventAdministration {
    /// How many events one step looks at.
    private static let eventsPerStep = 256

    /// Events that arrived between two times, neither included, in the order of their numbers.
    package func events(
        from number: UInt64, after start: Timestamp, before end: Timestamp, limit: Int
    ) throws(StoreFailure) -> EventPage {
        try read { (transaction) throws(LMDBError) in
            var events: [EventHistory] = []
            var next = number
            for _ in 0..<Self.eventsPerStep where events.count < limit {
                guard let found = try nextRoutedEvent(from: next, all: true, in: transaction) else {
                    return EventPage(events: events, next: nil)
                }
                next = found + 1
                guard let payload = try deliveries.payload(found, in: transaction), payload.receivedAt > start,
                    payload.receivedAt < end, let history = try history(of: found, in: transaction)
                else { continue }
                events.append(history)
            }
            return EventPage(events: events, next: next)
        }
    }

    // MARK: Retrying

    /// Makes an event wait to be matched again, with the current subscriptions. Its log entries stay in its history.
    package func redispatch(_ id: UUID) throws(StoreFailure) -> Redispatch {
        try growing { (transaction) throws(LMDBError) -> Redispatch? in
            let key = EventKey(routed: id.description)
            guard let number = try tables.eventIDs.value(at: key, in: transaction)?.payload,
                var record = try routedEvent(number, in: transaction)
            else { return .unknown }
            guard try waitingRecord(number, in: transaction) == nil else { return .waiting }
            guard try admit(bytes: 512, in: &transaction) else { return nil }
            record.matched = nil
            try tables.routedEvents.put(record, at: number, in: &transaction)
            try tables.waitingEvents.put(WaitingRecord(trigger: .recover), at: number, in: &transaction)
            return .started
        }
    }

    // MARK: Purging

    /// Removes an event with its history, even if deliveries are pending: these then find nothing to send, and their
    /// subscriptions' histories say so.
    /// - Parameter limit: how many log entries one step removes.
    package func purge(_ id: UUID, limit: Int) throws(StoreFailure) -> PurgeOutcome {
        try write { (transaction) throws(LMDBError) in
            let key = EventKey(routed: id.description)
            guard let number = try tables.eventIDs.value(at: key, in: transaction)?.payload,
                let payload = try deliveries.payload(number, in: transaction)
            else { return .unknown }
            let removed = try remove(payload, limit: limit, in: &transaction)
            return removed.isWhole ? .removed : .begun
        }
    }

    /// Removes events that arrived before a time, with their history. Those that are still to be matched or delivered stay.
    /// - Parameter limit: how many events and log entries one step removes.
    package func purgeEvents(
        from number: UInt64, before end: Timestamp, limit: Int
    ) throws(StoreFailure) -> PurgeStep {
        try write { (transaction) throws(LMDBError) in
            var step = PurgeStep(next: number)
            var left = limit
            for _ in 0..<Self.eventsPerStep where left > 0 {
                guard let from = step.next, let found = try nextRoutedEvent(from: from, all: true, in: transaction)
                else {
                    step.next = nil
                    break
                }
                step.next = found + 1
                guard let payload = try deliveries.payload(found, in: transaction), payload.receivedAt < end else {
                    continue
                }
                if try isUnfinished(found, in: transaction) {
                    step.unfinished += 1
                    continue
                }
                let removed = try remove(payload, limit: left, in: &transaction)
                left -= removed.count
                if removed.isWhole { step.removed += 1 } else { step.next = found }
            }
            return step
        }
    }

    private func isUnfinished(_ number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        guard let history = try history(of: number, in: transaction) else { return false }
        return history.isWaiting || history.matches.contains { $0.isUnderWay }
    }

    private func remove(
        _ payload: Payload, limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> (count: Int, isWhole: Bool) {
        var state = try deliveries.deliveryState(in: transaction)
        let lines = try deliveries.lineNumbers(ofPayload: payload.number, limit: limit, in: transaction)
        try deliveries.removeLines(
            lines.map { IndexedLine(number: $0, payload: payload.number) }, &state, in: &transaction)
        let isWhole = lines.count < limit
        if isWhole {
            try deliveries.removePayload(payload, &state, in: &transaction)
        } else {
            // Clear the matches: without their log entries they would seem to be in progress.
            var record = try routedEvent(payload.number, in: transaction) ?? RoutedEventRecord()
            record.matched = []
            try tables.routedEvents.put(record, at: payload.number, in: &transaction)
            try tables.waitingEvents.remove(payload.number, in: &transaction)
        }
        try deliveries.put(state, in: &transaction)
        return (lines.count + (isWhole ? 1 : 0), isWhole)
    }
}
