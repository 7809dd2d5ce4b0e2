internal import Delivery
package import Events
internal import HTTP
internal import LMDB
package import Storage
package import Values

/// Imports the history of events that another system routed.
extension MappedEvents {
    /// Stores events and their attempts as history. Nothing is delivered. Attempts are stored only for subscriptions that
    /// exist already.
    package func takeOver(_ events: [FormerEvent]) throws(StoreFailure) -> Takeover {
        let steady = core.clock.now().steady
        return try growing { (transaction) throws(LMDBError) -> Takeover? in
            var takeover = Takeover()
            var fresh: [FormerEvent] = []
            for event in events {
                let key = EventKey(routed: event.event.id.description)
                if try tables.eventIDs.contains(key, in: transaction) {
                    takeover.known += 1
                } else {
                    fresh.append(event)
                }
            }
            let bytes = fresh.reduce(0) { sum, event in
                event.matches.reduce(sum + event.event.body.count + 512) { $0 + $1.attempt.loggedBytes + 1024 }
            }
            if fresh.isEmpty { return takeover }
            let largest = fresh.reduce(0) {
                $1.matches.reduce(max($0, $1.event.body.count + 512)) { max($0, $1.attempt.loggedBytes) }
            }
            guard try admit(bytes: bytes, largest: largest, in: &transaction) else { return nil }
            for event in fresh {
                var work = try DeliveryWork(
                    deliveries, at: Moment(wall: event.receivedAt, steady: steady), in: transaction)
                try store(event, &work, &takeover, in: &transaction)
                try work.finish(in: &transaction)
            }
            return takeover
        }
    }

    private func store(
        _ event: FormerEvent, _ work: inout DeliveryWork, _ takeover: inout Takeover,
        in transaction: inout Transaction
    ) throws(LMDBError) {
        let id = event.event.id.description
        let payload = try work.storePayload(
            Payload.Content(
                eventID: id, event: event.event.type, source: EventKey.routedSource, body: event.event.body),
            in: &transaction)
        var matched: Set<UInt64> = []
        for match in event.matches {
            guard let number = try subscriptionNumber(match.subscription, in: transaction),
                let destination = try deliveries.destination(number, in: transaction)
            else {
                takeover.strayAttempts += 1
                continue
            }
            try work.log(match.attempt, of: payload, to: destination, in: &transaction)
            matched.insert(number)
            takeover.attempts += 1
        }
        takeover.events += 1
        let record = RoutedEventRecord(matched: matched.sorted(), isTakenOver: true)
        try tables.routedEvents.put(record, at: payload.number, in: &transaction)
        try tables.eventIDs.put(EventIDRecord(payload: payload.number), at: EventKey(routed: id), in: &transaction)
    }
}
