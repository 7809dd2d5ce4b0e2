internal import Capture
internal import HTTP
internal import LMDB
internal import Values

/// The steps of the operations of capture.
extension MappedCapture {
    // MARK: Endpoints

    func stored(_ id: Endpoint.ID, in transaction: borrowing Transaction) throws(LMDBError) -> EndpointRecord? {
        // Most ids begin with the number, which spares a search in the index. Imported and older ones do not.
        if let record = try tables.endpoints.readable(at: id.number, in: transaction), record.endpoint.id == id {
            return record
        }
        guard let number = try tables.endpointIDs.value(at: id, in: transaction) else { return nil }
        return try tables.endpoints.value(at: number, in: transaction)
    }

    /// The endpoint, unless it is overdue: an overdue endpoint counts as deleted, though it is not yet removed.
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
        // Collected notifications stay until their request is forgotten: it may be retried.
        try tables.notifications.remove(of: number, from: record.endpoint.uncollected, to: .max, in: &transaction)
        try tables.refusals.remove(of: number, from: 0, to: .max, in: &transaction)
        if record.endpoint.settings.hasReceiver { try tables.receivers.remove(number, in: &transaction) }
        try removeConfirmations(of: number, in: &transaction)
        try tables.forwards.remove(of: number, in: &transaction)
        try tables.endpointUses.remove(record.useKey, in: &transaction)
        try tables.endpointIDs.remove(record.endpoint.id, in: &transaction)
        try tables.endpoints.remove(number, in: &transaction)
    }

    /// Gives an endpoint the place in the index by use that it should have.
    func index(
        _ record: inout EndpointRecord, at moment: Moment, _ limits: CaptureLimits, in transaction: inout Transaction
    ) throws(LMDBError) {
        try tables.endpointUses.remove(record.useKey, in: &transaction)
        record.indexedUse = record.endpoint.indexedUse(at: moment.steady, limits)
        try tables.endpointUses.put(record.useKey, in: &transaction)
    }

    /// Removes the oldest notifications until there is room for one more.
    /// - Parameter size: the bytes of its body.
    func dropOldest(
        of endpoint: inout Endpoint, for size: Int, _ limits: CaptureLimits, in transaction: inout Transaction
    ) throws(LMDBError) {
        var (count, bytes) = (endpoint.count, endpoint.bytes)
        var end = endpoint.next
        try tables.notifications.scan(
            of: endpoint.number, from: endpoint.uncollected, to: endpoint.next, in: transaction
        ) { key, record in
            if count < UInt64(limits.notificationsPerEndpoint), bytes + UInt64(size) <= UInt64(limits.bytesPerEndpoint)
            {
                end = key.number
                return false
            }
            count -= min(count, 1)
            bytes -= min(bytes, UInt64(NotificationRecord.weight(record)))
            return true
        }
        let freed = try tables.notifications.remove(
            of: endpoint.number, from: endpoint.uncollected, to: end, in: &transaction)
        endpoint.collect(to: end, count: freed.count, bytes: freed.bytes)
    }

    /// Endpoints that may be overdue: first those whose indexed use is longest ago, with that time, then the oldest ones.
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
            // A damaged record does not say how old the endpoint is.
            guard let endpoint = record?.endpoint, !endpoint.settings.isPinned else { return true }
            guard now.seconds(since: endpoint.created) > limits.lifetimeSeconds else { return false }
            due.append((number, nil))
            return true
        }
        return due
    }

    // MARK: Notifications

    /// - Parameters:
    ///   - count: the most notifications to return.
    ///   - limit: bytes of records after which no more are read.
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

    /// The notifications of a range if they are short enough to be read at once; otherwise `.long` or `.tooLong`.
    /// - Parameter kept: all notifications that belong together with these.
    func finding(
        _ range: NotificationRange, kept: Range<UInt64>, mayBeLong: Bool, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Finding {
        let short = try end(
            of: range.endpoint, from: range.first, to: range.end, atMost: Finding.shortBytes, isStrict: true,
            in: transaction)
        guard short == range.end else { return mayBeLong ? .long(range) : .tooLong }
        var found = try notifications(of: range.endpoint, from: range.first, to: range.end, in: transaction)
        for index in found.indices { try complete(&found[index], of: range.endpoint, kept: kept, in: transaction) }
        return .notifications(found)
    }

    /// The notifications that belong together with those of a range: all that were collected, or that wait.
    func kept(_ range: NotificationRange, in transaction: borrowing Transaction) throws(LMDBError) -> Range<UInt64> {
        guard range.collectedBy == nil,
            let endpoint = try tables.endpoints.readable(at: range.endpoint, in: transaction)?.endpoint
        else { return range.first..<max(range.first, range.end) }
        return endpoint.kept
    }

    /// Adds to a notification what the store knows beside its record.
    func complete(
        _ notification: inout NumberedNotification, of endpoint: UInt64, kept: Range<UInt64>,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        if case .to(let id)? = notification.notification.outcome?.confirmation {
            notification.confirmation = try tables.confirmations.readable(
                at: ConfirmationKey(endpoint, id), in: transaction)
        }
        guard let delivery = notification.notification.delivery else { return }
        notification.attempts = try tables.notifications.attempts(
            of: delivery, newest: notification.number, at: endpoint, in: kept, limit: SenderDelivery.shownAttempts,
            in: transaction)
    }

    /// The end of a range from `first` on with at most `count` records. It ends after the record with which `limit` bytes
    /// are reached, so that the first record always fits; a strict range ends before that record.
    func end(
        of endpoint: UInt64, from first: UInt64, to end: UInt64, count: Int = .max, atMost limit: Int,
        isStrict: Bool = false, in transaction: borrowing Transaction
    ) throws(LMDBError) -> UInt64 {
        var (bytes, found) = (0, 0)
        var last = end
        try tables.notifications.scan(of: endpoint, from: first, to: end, in: transaction) { key, record in
            if isStrict { bytes += NotificationRecord.weight(record) }
            guard bytes < limit, found < count else {
                last = key.number
                return false
            }
            found += 1
            if !isStrict { bytes += NotificationRecord.weight(record) }
            return true
        }
        return last
    }

    /// The start of a range that ends at `end`, with the newest `count` records at most. It begins with the record with which
    /// `limit` bytes are reached, so that the newest record always fits.
    func start(
        of endpoint: UInt64, from first: UInt64, to end: UInt64, count: Int, atMost limit: Int,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> UInt64 {
        var (bytes, found) = (0, 0)
        var start = end
        try tables.notifications.scanBackwards(of: endpoint, from: first, to: end, in: transaction) { key, record in
            guard bytes < limit, found < count else { return false }
            found += 1
            bytes += NotificationRecord.weight(record)
            start = key.number
            return true
        }
        return start
    }
}
