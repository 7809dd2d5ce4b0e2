internal import Capture
internal import Delivery
internal import HTTP
internal import LMDB
internal import Queues
internal import Values

/// The range of numbers that notifications and messages may be given, so that no number is given twice.
///
/// With `DURABILITY=process`, a power cut undoes what came since the last checkpoint, with numbers that clients have already
/// seen; an older copy of the store lacks all since it was made. The first start after that continues all numbers above
/// `ceiling`, which is above every number that can have been given. A record moves to the new range when it gives its next
/// number, so that a start costs the same however many records there are.
struct Numbers: Equatable, KeylessRecord {
    typealias Key = RecordName
    static let name = "the record of the assigned numbers"

    /// The lowest number that may be given.
    var floor: UInt64 = 1
    /// Higher than every number that was given.
    var ceiling: UInt64 = Numbers.step

    /// More numbers than one endpoint or queue can give in the time that a power cut undoes.
    static let step: UInt64 = 1 << 24
    /// Numbers stay below 2^53: JSON numbers up to there are exact in every implementation.
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

    /// Raises the ceiling above a number if it is not already. It stays below 2^53.
    mutating func raise(above number: UInt64) {
        guard number >= ceiling else { return }
        ceiling = min(number + Self.step, (1 << 53) - 1)
    }

    /// Continues above all numbers that were given, including those that the store does not know.
    mutating func jump() {
        guard ceiling < Self.limit else { return }
        floor = ceiling + Self.step
        ceiling = floor + Self.step
    }
}

extension DeliveryState {
    /// Raises the numbers that all deliveries share, as `Numbers.jump` does.
    mutating func jump() {
        nextDestination += Numbers.step
        nextPayload += Numbers.step
        nextDelivery += Numbers.step
        nextLog += Numbers.step
    }
}

extension Tables {
    /// Continues all numbers that clients see above those that may have been shown.
    func jump(in transaction: inout Transaction) throws(LMDBError) {
        if try numbers.readable(in: transaction) == nil { try noteNumbers(in: &transaction) }
        var range = try numbers.readable(in: transaction) ?? Numbers()
        range.jump()
        try numbers.put(range, in: &transaction)
        // If there is no record, a crash may have undone the first one. A damaged record must not be replaced here.
        guard try !deliveryState.isDamaged(in: transaction) else { return }
        var state = try deliveryState.readable(in: transaction) ?? DeliveryState()
        guard state.nextLog < 1 << 52 else { return }
        state.jump()
        try deliveryState.put(state, in: &transaction)
    }

    /// Sets the range of a store that does not have one yet, from the numbers of its records.
    func noteNumbers(in transaction: inout Transaction) throws(LMDBError) {
        var highest: UInt64 = 0
        try endpoints.scan(in: transaction) { _, record in
            if let record { highest = max(highest, record.endpoint.next) }
            return true
        }
        try forwardings.scan(in: transaction) { _, forwarding in
            if let forwarding { highest = max(highest, forwarding.next) }
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
    /// The lowest number that a record's next item may be given. Raises the stored ceiling if needed.
    /// - Parameter last: the last number that the record has given, or a higher one.
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
