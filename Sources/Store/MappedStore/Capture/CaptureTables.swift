internal import Capture
internal import HTTP
internal import LMDB
internal import Values

/// The steps that the operations of capture are made of.
extension MappedCapture {
    // MARK: Endpoints

    func stored(_ id: Endpoint.ID, in transaction: borrowing Transaction) throws(LMDBError) -> EndpointRecord? {
        guard let number = try tables.endpointIDs.value(at: id, in: transaction) else { return nil }
        return try tables.endpoints.value(at: number, in: transaction)
    }

    /// The endpoint, unless it is overdue: that one is gone, though not yet removed.
    func current(
        _ id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits, in transaction: borrowing Transaction
    ) throws(LMDBError) -> EndpointRecord? {
        guard let record = try stored(id, in: transaction),
            !record.endpoint.isOverdue(at: moment.steady, limits)
        else { return nil }
        return record
    }

    func put(_ record: EndpointRecord, in transaction: inout Transaction) throws(LMDBError) {
        try tables.endpoints.put(record, at: record.endpoint.number, in: &transaction)
    }

    func remove(_ record: EndpointRecord, in transaction: inout Transaction) throws(LMDBError) {
        let number = record.endpoint.number
        // What was collected stays until its request is forgotten: it may be asked for once more.
        try tables.notifications.remove(of: number, from: record.endpoint.uncollected, to: .max, in: &transaction)
        try tables.endpointUses.remove(record.useKey, in: &transaction)
        try tables.endpointIDs.remove(record.endpoint.id, in: &transaction)
        try tables.endpoints.remove(number, in: &transaction)
    }

    /// Endpoints that may be overdue: those that were first used longest ago, with the time under which the index has them,
    /// and the oldest.
    func dueEndpoints(
        at now: Timestamp, _ limits: CaptureLimits, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [(number: UInt64, indexedUse: Timestamp?)] {
        var due: [(number: UInt64, indexedUse: Timestamp?)] = []
        try tables.endpointUses.scanKeys(in: transaction) { use in
            guard due.count < limit, now.seconds(since: use.time) > limits.idleSeconds else { return false }
            due.append((use.number, use.time))
            return true
        }
        try tables.endpoints.scan(in: transaction) { number, record in
            guard due.count < limit else { return false }
            // A damaged one does not say how old it is.
            guard let endpoint = record?.endpoint else { return true }
            guard now.seconds(since: endpoint.created) > limits.lifetimeSeconds else { return false }
            due.append((number, nil))
            return true
        }
        return due
    }

    // MARK: Notifications

    /// - Parameters:
    ///   - count: how many at the most.
    ///   - limit: bytes of records after which no more are taken.
    func notifications(
        of endpoint: UInt64, from first: UInt64, to end: UInt64, count: Int = .max, atMost limit: Int = .max,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> [NumberedNotification] {
        var found: [NumberedNotification] = []
        var bytes = 0
        var isDamaged = false
        try tables.notifications.scan(of: endpoint, from: first, to: end, in: transaction) { key, record in
            guard found.count < count, bytes < limit else { return false }
            bytes += record.byteCount
            guard let notification = NotificationRecord.decode(record, at: key) else {
                isDamaged = true
                return false
            }
            found.append(NumberedNotification(number: key.number, notification: notification))
            return true
        }
        if isDamaged { throw .damaged(NotificationRecord.name) }
        return found
    }

    /// Notifications, where they are few enough bytes to be read at once.
    func finding(
        _ range: NotificationRange, mayBeLong: Bool, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Finding {
        let short = try end(
            of: range.endpoint, from: range.first, to: range.end, atMost: Finding.shortBytes, isStrict: true,
            in: transaction)
        guard short == range.end else { return mayBeLong ? .long(range) : .tooLong }
        return .notifications(
            try notifications(of: range.endpoint, from: range.first, to: range.end, in: transaction))
    }

    /// Where to end so that there are no more than `count` records from `first` on, and they have no more than so many bytes.
    /// The first record always fits, unless the limit is strict.
    func end(
        of endpoint: UInt64, from first: UInt64, to end: UInt64, count: Int = .max, atMost limit: Int,
        isStrict: Bool = false, in transaction: borrowing Transaction
    ) throws(LMDBError) -> UInt64 {
        var (bytes, found) = (0, 0)
        var last = end
        try tables.notifications.scan(of: endpoint, from: first, to: end, in: transaction) { key, record in
            if isStrict { bytes += record.byteCount }
            guard bytes < limit, found < count else {
                last = key.number
                return false
            }
            found += 1
            if !isStrict { bytes += record.byteCount }
            return true
        }
        return last
    }
}
