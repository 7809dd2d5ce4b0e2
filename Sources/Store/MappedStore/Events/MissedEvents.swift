internal import Events
internal import HTTP
internal import LMDB
internal import Values

/// The events that a subscription missed, as stored; the key is the subscription's number.
enum MissedEventsRecord: TableRecord {
    static let name = "a count of missed events"

    private static let version: UInt8 = 1

    static func encode(_ missed: MissedEvents) -> [UInt8] {
        var writer = ByteWriter(reserving: 24)
        writer.byte(version)
        writer.number(missed.count)
        writer.fixed(missed.since.microseconds)
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at subscription: UInt64) -> MissedEvents? {
        var reader = ByteReader(span)
        // Bounded so that increments cannot overflow.
        guard reader.byte() == version, let count = reader.number(), (1..<1 << 48).contains(count),
            let since = reader.time(), reader.isAtEnd
        else { return nil }
        return MissedEvents(count: count, since: since)
    }
}

/// Events that matched subscriptions while these were disabled, and events that were dropped before subscriptions that
/// lag were tried with them.
extension MappedEvents {
    /// The events that a subscription missed; `nil` if there are none, or the record is damaged.
    func missedEvents(of number: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> MissedEvents? {
        try sparing("subscription \(number)") { () throws(LMDBError) in
            try tables.missedEvents.value(at: number, in: transaction)
        }
    }

    func put(
        _ missed: MissedEvents, of number: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        try tables.missedEvents.put(missed, at: number, in: &transaction)
    }

    /// Counts events that a subscription did not get.
    func addMissed(
        _ more: MissedEvents, of number: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        // The subscription may be gone by now.
        guard try tables.subscriptions.contains(number, in: transaction) else { return }
        var missed = try missedEvents(of: number, in: transaction) ?? MissedEvents(count: 0, since: more.since)
        missed.count += more.count
        missed.since = min(missed.since, more.since)
        try put(missed, of: number, in: &transaction)
    }

    /// Removes the record of missed events if a replay from a time on covers them all.
    func forgetMissed(of number: UInt64, since: Timestamp, in transaction: inout Transaction) throws(LMDBError) {
        guard let missed = try missedEvents(of: number, in: transaction), missed.since >= since else { return }
        try tables.missedEvents.remove(number, in: &transaction)
    }
}
