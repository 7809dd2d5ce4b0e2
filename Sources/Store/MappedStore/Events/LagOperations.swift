internal import Delivery
package import Events
internal import HTTP
internal import LMDB
package import Values

/// Subscriptions that follow behind: events are held against their expressions one after the other, in their owner's turn,
/// as those take more time than an owner has while others wait.
///
/// A record says from which event on a subscription has not been tried. It stays until there is none left. It keeps no
/// event: what is dropped before its subscription has been tried with it is counted as missed.
extension MappedStore {
    /// The numbers of the subscriptions that lag.
    package func laggingSubscriptions() throws(StoreFailure) -> Set<UInt64> {
        try read { (transaction) throws(LMDBError) in
            var found: Set<UInt64> = []
            try tables.lags.scan(in: transaction) { place, _ in
                if let lag = Self.lag(at: place) { found.insert(lag.number) }
                return true
            }
            return found
        }
    }

    /// Notes that subscriptions are still to be tried with an event, each under its number.
    func noteLags(_ first: [UInt64: UInt64], in transaction: inout Transaction) throws(LMDBError) {
        for (number, event) in first {
            guard try tables.subscriptions.contains(key(number), in: transaction) else { continue }
            let place = try lagKey(of: number, in: transaction)
            if let next = try tables.lags.number(at: place, in: transaction), next <= event { continue }
            try tables.lags.put(key(event), at: place, in: &transaction)
        }
    }

    /// Forgets that a subscription lags; it is still there.
    func removeLag(of number: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        try tables.lags.remove(try lagKey(of: number, in: transaction), in: &transaction)
    }

    private func lagKey(of number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> [UInt8] {
        try tables.owner(of: number, in: transaction).bytes + key(number)
    }

    static func lag(at place: RawSpan) -> (owner: UUID, number: UInt64)? {
        var reader = ByteReader(place)
        guard let owner = reader.uuid(), let number = reader.fixed(), reader.isAtEnd else { return nil }
        return (owner, number)
    }

    /// Whether an event is still to be held against a subscription that lags.
    func isLagging(behind event: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Bool {
        var isFound = false
        try tables.lags.scan(in: transaction) { _, value in
            var reader = ByteReader(value)
            isFound = reader.fixed().map { $0 <= event } ?? false
            return !isFound
        }
        return isFound
    }

    // MARK: Catching up

    /// Events that one step looks at, those among them that are still to be matched by others.
    private static let lookedAt = 256

    package func waitingLag(
        after owner: UUID?, _ last: [UUID: UInt64], limit: Int, maximumBytes: Int
    ) throws(StoreFailure) -> WaitingLag? {
        try read { (transaction) throws(LMDBError) in
            guard let (owner, number, start) = try nextLag(after: owner, last, in: transaction) else { return nil }
            let expression = try sparing("subscription \(number)") { () throws(LMDBError) -> Expression? in
                try self.expression(of: number, in: transaction)
            }
            var lag = WaitingLag(owner: owner, subscription: number, expression: expression, from: start)
            // One that cannot be read matches nothing.
            if expression == nil { lag.isAtEnd = true }
            var (next, left, bytes) = (start, Self.lookedAt, 0)
            while lag.events.count < limit, left > 0, bytes < maximumBytes, !lag.isAtEnd {
                guard let found = try nextRoutedEvent(from: next, in: transaction) else {
                    lag.isAtEnd = true
                    break
                }
                next = found + 1
                left -= 1
                if try waitingRecord(found, in: transaction) != nil,
                    try routedEvent(found, in: transaction)?.matched == nil
                {
                    lag.passed.append(found)
                    continue
                }
                let body = try sparing("event \(found)") { () throws(LMDBError) -> [UInt8]? in
                    guard try !(routedEvent(found, in: transaction)?.matched ?? []).contains(number) else { return nil }
                    return try parcel(found, in: transaction)?.body
                }
                guard let body else { continue }
                bytes += body.count
                lag.events.append(WaitingEvent(number: found, body: body))
            }
            lag.next = next
            return lag
        }
    }

    /// The first lag of the next owner that has one, behind the subscription of that owner whose turn was last.
    private func nextLag(
        after owner: UUID?, _ last: [UUID: UInt64], in transaction: borrowing Transaction
    ) throws(LMDBError) -> (owner: UUID, number: UInt64, next: UInt64)? {
        var starts: [[UInt8]] = [[]]
        // Behind all of the owner's subscriptions.
        if let owner { starts.insert(owner.bytes + key(.max), at: 0) }
        var next: UUID?
        for start in starts where next == nil {
            try tables.lags.scan(from: start, in: transaction) { place, _ in
                next = Self.lag(at: place)?.owner
                return next == nil
            }
        }
        guard let next else { return nil }
        var numbers: [UInt64] = [0]
        if let last = last[next], last < .max { numbers = [last + 1, 0] }
        for start in numbers {
            var found: (UUID, UInt64, UInt64)?
            try tables.lags.scan(from: next.bytes + key(start), in: transaction) { place, value in
                var reader = ByteReader(value)
                guard let lag = Self.lag(at: place), lag.owner == next else { return false }
                guard let event = reader.fixed() else { return true }
                found = (lag.owner, lag.number, event)
                return false
            }
            if let found { return found }
        }
        return nil
    }

    package func keep(_ matched: [UInt64], of lag: WaitingLag, at moment: Moment) throws(StoreFailure) -> Bool {
        try growing { (transaction) throws(LMDBError) -> Bool? in
            let place = lag.owner.bytes + key(lag.subscription)
            // Somebody else has gone on with it, or it was put back.
            let stored = try tables.lags.number(at: place, in: transaction)
            guard stored == lag.from else { return stored != nil }
            guard try admit(bytes: 1024 * (1 + matched.count), in: &transaction) else { return nil }
            let found = try sparing("destination \(lag.subscription)") { () throws(LMDBError) -> Destination? in
                try destination(lag.subscription, in: transaction)
            }
            if let target = found {
                var work = try DeliveryWork(self, at: moment, in: transaction)
                for number in matched {
                    guard let parcel = try parcel(number, in: transaction) else { continue }
                    if target.isDisabled(at: moment.wall) {
                        let missed = MissedEvents(count: 1, since: parcel.receivedAt)
                        try addMissed(missed, of: lag.subscription, in: &transaction)
                    } else if try noteMatch(of: number, lag.subscription, in: &transaction) {
                        _ = try work.deliver(parcel, to: lag.subscription, .scheduled, in: &transaction)
                    }
                }
                try work.finish(in: &transaction)
            }
            var next = lag.next
            // Those that others have matched by now were not tried.
            for number in lag.passed where number < next {
                if try routedEvent(number, in: transaction)?.matched != nil { next = min(next, number) }
            }
            var isOver = lag.isAtEnd && next == lag.next && lag.isWhole
            if isOver { isOver = try nextRoutedEvent(from: next, in: transaction) == nil }
            if isOver {
                try tables.lags.remove(place, in: &transaction)
                return false
            }
            try tables.lags.put(key(next), at: place, in: &transaction)
            return true
        }
    }

    // MARK: Events that are dropped

    /// An event that is dropped, as far as subscriptions that lag need to know it.
    struct DroppedEvent {
        let number: UInt64
        let receivedAt: Timestamp
        let matched: Set<UInt64>
    }

    /// A parcel that is about to be removed; `nil` where it is not an event that subscriptions are tried with.
    func droppedEvent(_ parcel: Parcel, in transaction: borrowing Transaction) throws(LMDBError) -> DroppedEvent? {
        guard parcel.source == Self.routedSource else { return nil }
        let record = try sparing("event \(parcel.number)") { () throws(LMDBError) in
            try routedEvent(parcel.number, in: transaction)
        }
        guard let record, !record.isTakenOver else { return nil }
        return DroppedEvent(
            number: parcel.number, receivedAt: parcel.receivedAt, matched: Set(record.matched ?? []))
    }

    /// Has subscriptions that lag go on behind events that were removed, and count those as missed.
    func skip(_ events: [DroppedEvent], in transaction: inout Transaction) throws(LMDBError) {
        guard let last = events.map(\.number).max() else { return }
        let lags = try lags(before: last, in: transaction)
        var missed: [UInt64: MissedEvents] = [:]
        for event in events {
            for lag in lags where lag.next <= event.number && !event.matched.contains(lag.number) {
                let before = missed[lag.number] ?? MissedEvents(count: 0, since: event.receivedAt)
                let since = min(before.since, event.receivedAt)
                missed[lag.number] = MissedEvents(count: before.count + 1, since: since)
            }
        }
        // Where there is no room for the counts, they are given up: dropping the events is what makes room.
        guard !missed.isEmpty,
            try admit(
                bytes: Self.skipBytes * missed.count, largest: Self.skipBytes, leaving: 0, in: &transaction)
        else { return }
        // Many lags may begin at the same event.
        var nexts: [UInt64: UInt64] = [:]
        for lag in lags {
            guard let more = missed[lag.number] else { continue }
            try addMissed(more, of: lag.number, in: &transaction)
            var next = nexts[lag.next]
            if next == nil { next = try nextRoutedEvent(from: lag.next, in: transaction) ?? last + 1 }
            nexts[lag.next] = next
            guard let next, next > lag.next else { continue }
            try tables.lags.put(key(next), at: lag.owner.bytes + key(lag.number), in: &transaction)
        }
    }

    /// What the records of a lag and of what its subscription missed take up.
    private static let skipBytes = 128

    /// A subscription that lags, and the first event that it is still to be tried with.
    private struct Lag {
        let owner: UUID
        let number: UInt64
        let next: UInt64
    }

    /// The lags that begin at an event or before it.
    private func lags(before event: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> [Lag] {
        var found: [Lag] = []
        try tables.lags.scan(in: transaction) { place, value in
            var reader = ByteReader(value)
            if let lag = Self.lag(at: place), let next = reader.fixed(), next <= event {
                found.append(Lag(owner: lag.owner, number: lag.number, next: next))
            }
            return true
        }
        return found
    }
}
