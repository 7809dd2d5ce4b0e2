internal import Delivery
package import Events
package import Gateway
internal import LMDB

/// Showing a subscription events of the past once more.
extension MappedStore {
    package func waitingReplay(limit: Int, maximumBytes: Int) throws(StoreFailure) -> WaitingReplay? {
        try read { (transaction) throws(LMDBError) in
            guard let (number, record, expression) = try firstReplay(in: transaction) else { return nil }
            let settled = record.all ? [] : try waitingParcels(of: number, in: transaction)
            var events: [WaitingEvent] = []
            var next = record.next
            var bytes = 0
            var left = Self.eventsLookedAt
            while events.count < limit, bytes < maximumBytes, left > 0, next <= record.last,
                let found = try nextRoutedEvent(from: next, in: transaction), found <= record.last
            {
                next = found + 1
                left -= 1
                let body = try noting(.event(found)) { () throws(LMDBError) -> [UInt8]? in
                    if !record.all {
                        if settled.contains(found) { return nil }
                        if try isDelivered(found, to: number, in: transaction) { return nil }
                    }
                    return try parcel(found, in: transaction)?.body
                }
                guard let body = body ?? nil else { continue }
                bytes += body.count
                events.append(WaitingEvent(number: found, body: body))
            }
            if events.count < limit, bytes < maximumBytes, left > 0 { next = record.last + 1 }
            return WaitingReplay(
                subscription: number, expression: expression, events: events, step: record.step, nextEvent: next)
        }
    }

    /// Events that one step of a replay looks at.
    private static let eventsLookedAt = 256

    private func isDelivered(
        _ parcel: UInt64, to number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Bool {
        var isDelivered = false
        try scanLines(ofParcel: parcel, in: transaction) { line in
            isDelivered = line.destination == number && line.attempt.failure == nil
            return !isDelivered
        }
        return isDelivered
    }

    /// The first one of which all can be read that is needed.
    private func firstReplay(
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> (number: UInt64, record: ReplayRecord, expression: Expression)? {
        var start: UInt64 = 0
        while let (number, record) = try nextReplay(from: start, in: transaction) {
            start = number + 1
            let expression = try noting(.replay(number)) { () throws(LMDBError) -> Expression? in
                guard try readable(number, in: transaction) != nil else { return nil }
                return try self.expression(of: number, in: transaction)
            }
            if let expression = expression ?? nil { return (number, record, expression) }
        }
        return nil
    }

    private func nextReplay(
        from start: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (number: UInt64, record: ReplayRecord)? {
        var found: (UInt64, ReplayRecord)?
        try tables.replays.scan(from: key(start), in: transaction) { key, value in
            var reader = ByteReader(key)
            guard let number = reader.fixed() else { return true }
            guard let record = ReplayRecord(value) else {
                matchingFaults.note(.replay(number))
                return true
            }
            found = (number, record)
            return false
        }
        return found
    }

    /// Parcels that are on their way to a destination.
    private func waitingParcels(
        of number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<UInt64> {
        var parcels: Set<UInt64> = []
        try scanDeliveries(of: number, in: transaction) { delivery in
            parcels.insert(delivery.parcel)
            return true
        }
        return parcels
    }

    package func keep(_ matched: [UInt64], of replay: WaitingReplay, at moment: Moment) throws(StoreFailure) {
        try growing { (transaction) throws(LMDBError) -> Void? in
            let place = key(replay.subscription)
            let stored = try tables.replays.record(at: place, "a replay", in: transaction) { ReplayRecord($0) }
            guard var record = stored, record.step == replay.step else { return () }
            guard try admit(bytes: 1024 * (1 + matched.count), in: &transaction) else { return nil }
            var work = try DeliveryWork(self, at: moment, in: transaction)
            for number in matched {
                guard let parcel = try parcel(number, in: transaction) else { continue }
                _ = try work.deliver(parcel, to: replay.subscription, .recover, in: &transaction)
            }
            try work.finish(in: &transaction)
            record.next = replay.nextEvent
            if record.next > record.last {
                try tables.replays.remove(place, in: &transaction)
            } else {
                try tables.replays.put(record.encoded, at: place, in: &transaction)
            }
            return ()
        }
    }
}

extension ReplayRecord {
    fileprivate var step: WaitingReplay.Step { WaitingReplay.Step(next: next, last: last, all: all) }
}
