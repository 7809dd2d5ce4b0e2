internal import Capture
internal import Delivery
internal import HTTP
internal import LMDB
internal import Queues
internal import Values

/// Which numbers may be given to notifications and messages, so that no number is given twice.
///
/// A power cut may undo what was written last, with numbers that clients have seen already. At the first start after it all
/// numbers go on above `ceiling`, which is above every number that can have been given. A record takes part in that when it
/// gives its next number, so that a start costs the same however many records there are.
struct Numbers: Equatable, KeylessRecord {
    typealias Key = RecordName
    static let name = "the record of the numbers that were given"

    /// The lowest number that may be given.
    var floor: UInt64 = 1
    /// Above all numbers that were given.
    var ceiling: UInt64 = Numbers.step

    /// More numbers than one endpoint or queue gives in the time that a power cut can undo.
    static let step: UInt64 = 1 << 24
    /// Numbers stay below 2^53, which JSON's numbers carry exactly everywhere.
    private static let limit: UInt64 = 1 << 52

    private static let version: UInt8 = 1

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 20)
        writer.byte(Self.version)
        writer.number(floor)
        writer.number(ceiling)
        return writer.bytes
    }

    init() {}

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let floor = reader.number(), let ceiling = reader.number(),
            reader.isAtEnd, floor <= ceiling, ceiling < 1 << 53
        else { return nil }
        self.floor = floor
        self.ceiling = ceiling
    }

    /// Has the ceiling stand above a number.
    mutating func raise(above number: UInt64) {
        guard number >= ceiling else { return }
        ceiling = min(number + Self.step, (1 << 53) - 1)
    }

    /// Goes on above all numbers that were given, those among them that the store does not know of.
    mutating func jump() {
        guard ceiling < Self.limit else { return }
        floor = ceiling + Self.step
        ceiling = floor + Self.step
    }
}

extension DeliveryState {
    /// The same for the numbers that all deliveries share.
    mutating func jump() {
        nextDestination += Numbers.step
        nextParcel += Numbers.step
        nextDelivery += Numbers.step
        nextLog += Numbers.step
    }
}

extension Tables {
    /// Has all numbers that clients see go on above those that may have been shown.
    func jump(in transaction: inout Transaction) throws(LMDBError) {
        if try numbers.readable(in: transaction) == nil { try noteNumbers(in: &transaction) }
        var range = try numbers.readable(in: transaction) ?? Numbers()
        range.jump()
        try numbers.put(range, in: &transaction)
        // Where there is no record, the first one may be what a crash has undone; a damaged one is not for this to replace.
        guard try !deliveryState.isDamaged(in: transaction) else { return }
        var state = try deliveryState.readable(in: transaction) ?? DeliveryState()
        guard state.nextLog < 1 << 52 else { return }
        state.jump()
        try deliveryState.put(state, in: &transaction)
    }

    /// Sets the range of a store that has none, by the numbers that it has given.
    func noteNumbers(in transaction: inout Transaction) throws(LMDBError) {
        var highest: UInt64 = 0
        try endpoints.scan(in: transaction) { _, record in
            if let record { highest = max(highest, record.endpoint.next) }
            return true
        }
        try queueLogs.scan(in: transaction) { _, log in
            if let log { highest = max(highest, log.current) }
            return true
        }
        var range = Numbers()
        range.raise(above: highest)
        try numbers.put(range, in: &transaction)
    }
}

extension StoreCore {
    /// The lowest number that may be given to a record's next item.
    /// - Parameter last: the number before it.
    func lowestNumber(after last: UInt64, in transaction: inout Transaction) throws(LMDBError) -> UInt64 {
        let number = max(last + 1, numbers.floor)
        guard number >= numbers.ceiling else { return numbers.floor }
        var stored = try tables.numbers.readable(in: transaction) ?? numbers
        let before = stored
        stored.raise(above: number)
        if stored != before { try tables.numbers.put(stored, in: &transaction) }
        return numbers.floor
    }
}
