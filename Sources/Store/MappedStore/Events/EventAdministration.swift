internal import Delivery
internal import Events
internal import HTTP
internal import LMDB
package import Storage
package import Values

/// What an operator does with events beside the service: in steps, so that the service has its turn between two of them.
extension MappedEvents: EventAdministration {
    /// Events that one step looks at.
    private static let eventsPerStep = 256

    /// Events that came between two times, neither included, in the order they are kept.
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
                guard let parcel = try deliveries.parcel(found, in: transaction), parcel.receivedAt > start,
                    parcel.receivedAt < end, let history = try history(of: found, in: transaction)
                else { continue }
                events.append(history)
            }
            return EventPage(events: events, next: next)
        }
    }

    // MARK: Retrying

    /// Has an event matched anew, against the subscriptions that there are now. The lines about it stay in its history.
    package func redispatch(_ id: UUID) throws(StoreFailure) -> Redispatch {
        try growing { (transaction) throws(LMDBError) -> Redispatch? in
            let key = EventKey(routed: id.description)
            guard let number = try tables.eventIDs.value(at: key, in: transaction)?.parcel,
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

    /// Removes an event with its history, whatever becomes of it: a delivery that is still to be made finds nothing to send,
    /// and its subscription's history says so.
    /// - Parameter limit: how many lines of its history one step removes.
    package func purge(_ id: UUID, limit: Int) throws(StoreFailure) -> PurgeOutcome {
        try write { (transaction) throws(LMDBError) in
            let key = EventKey(routed: id.description)
            guard let number = try tables.eventIDs.value(at: key, in: transaction)?.parcel,
                let parcel = try deliveries.parcel(number, in: transaction)
            else { return .unknown }
            let removed = try remove(parcel, limit: limit, in: &transaction)
            return removed.isWhole ? .removed : .begun
        }
    }

    /// Removes events that came before a time, with their history; those that are still to be matched or delivered stay.
    /// - Parameter limit: how many events and lines one step removes.
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
                guard let parcel = try deliveries.parcel(found, in: transaction), parcel.receivedAt < end else {
                    continue
                }
                if try isUnfinished(found, in: transaction) {
                    step.unfinished += 1
                    continue
                }
                let removed = try remove(parcel, limit: left, in: &transaction)
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
        _ parcel: Parcel, limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> (count: Int, isWhole: Bool) {
        var state = try deliveries.deliveryState(in: transaction)
        let lines = try deliveries.lineNumbers(ofParcel: parcel.number, limit: limit, in: transaction)
        try deliveries.removeLines(
            lines.map { IndexedLine(number: $0, parcel: parcel.number) }, &state, in: &transaction)
        let isWhole = lines.count < limit
        if isWhole {
            try deliveries.removeParcel(parcel, &state, in: &transaction)
        } else {
            // What it matched would seem to be under way once the lines that say otherwise are gone.
            var record = try routedEvent(parcel.number, in: transaction) ?? RoutedEventRecord()
            record.matched = []
            try tables.routedEvents.put(record, at: parcel.number, in: &transaction)
            try tables.waitingEvents.remove(parcel.number, in: &transaction)
        }
        try deliveries.put(state, in: &transaction)
        return (lines.count + (isWhole ? 1 : 0), isWhole)
    }
}
