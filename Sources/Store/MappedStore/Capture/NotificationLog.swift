internal import Capture
internal import LMDB

/// An endpoint, something that a sender delivers to it, and the number of a notification that is an attempt of it.
struct DeliveryAttemptKey: TableKey, Hashable {
    let endpoint: UInt64
    let delivery: SenderDelivery
    let number: UInt64

    init(_ endpoint: UInt64, _ delivery: SenderDelivery, _ number: UInt64) {
        self.endpoint = endpoint
        self.delivery = delivery
        self.number = number
    }

    func write(to writer: inout ByteWriter) {
        writer.fixed(endpoint)
        writer.rest(delivery.bytes)
        writer.fixed(number)
    }

    init?(from reader: inout ByteReader) {
        guard let endpoint = reader.fixed(),
            let delivery = reader.take(SenderDelivery.byteCount).flatMap(SenderDelivery.init),
            let number = reader.fixed()
        else { return nil }
        self.init(endpoint, delivery, number)
    }
}

/// The notifications of all endpoints, with an index of those whose sender says what they are an attempt of.
struct NotificationLog: Sendable {
    let log: BoundedLog<NotificationRecord>
    let index: KeyTable<DeliveryAttemptKey>

    var table: RecordTable<NotificationRecord> { log.table }

    func put(
        _ record: Encoded<NotificationRecord>, of endpoint: UInt64, at number: UInt64,
        in transaction: inout Transaction
    ) throws(LMDBError) {
        try log.put(record, of: endpoint, at: number, in: &transaction)
        guard let delivery = unsafe NotificationRecord.delivery(record.bytes.span.bytes) else { return }
        try index.put(DeliveryAttemptKey(endpoint, delivery, number), in: &transaction)
    }

    /// As in `BoundedLog`.
    func scan(
        of endpoint: UInt64, from first: UInt64, to end: UInt64, in transaction: borrowing Transaction,
        _ body: (OwnedNumber, RawSpan) -> Bool
    ) throws(LMDBError) {
        try log.scan(of: endpoint, from: first, to: end, in: transaction, body)
    }

    /// As in `BoundedLog`.
    func scanBackwards(
        of endpoint: UInt64, from first: UInt64, to end: UInt64, in transaction: borrowing Transaction,
        _ body: (OwnedNumber, RawSpan) -> Bool
    ) throws(LMDBError) {
        try log.scanBackwards(of: endpoint, from: first, to: end, in: transaction, body)
    }

    /// As in `BoundedLog`.
    @discardableResult
    func remove(
        of endpoint: UInt64, from first: UInt64, to end: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) -> (count: Int, bytes: Int) {
        var indexed: [DeliveryAttemptKey] = []
        let freed = try log.remove(of: endpoint, from: first, to: end, in: &transaction) { key, record in
            guard let delivery = NotificationRecord.delivery(record) else { return }
            indexed.append(DeliveryAttemptKey(endpoint, delivery, key.number))
        }
        for key in indexed { try index.remove(key, in: &transaction) }
        return freed
    }

    /// The attempts of a delivery among some notifications of an endpoint, if the newest one is `number`; otherwise `nil`.
    /// - Parameter limit: only so many of the newest attempts are returned.
    func attempts(
        of delivery: SenderDelivery, newest number: UInt64, at endpoint: UInt64, in range: Range<UInt64>, limit: Int,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64]? {
        var found: [UInt64] = []
        let end = DeliveryAttemptKey(endpoint, delivery, range.upperBound)
        try index.scanKeysBackwards(before: end, in: transaction) { key in
            guard key.endpoint == endpoint, key.delivery == delivery, range.contains(key.number), found.count < limit,
                !found.isEmpty || key.number == number
            else { return false }
            found.append(key.number)
            return true
        }
        return found.isEmpty ? nil : found.reversed()
    }
}
