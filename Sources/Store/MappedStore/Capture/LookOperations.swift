package import Capture
internal import HTTP
internal import LMDB
package import Values

/// Reading notifications that stay in the store.
extension MappedCapture {
    /// Bytes of records after which one look ends. It returns at least one notification; the client asks for the others.
    private static let lookBytes = 4 << 20

    package func look(
        at id: Endpoint.ID, _ position: Position, limit: Int, at moment: Moment, _ limits: CaptureLimits,
        mayBeLong: Bool
    ) throws(StoreFailure) -> Finding {
        let found = try read(of: "endpoint \(id)") {
            (transaction) throws(LMDBError) -> (EndpointRecord, Finding)? in
            guard let record = try current(id, at: moment, limits, in: transaction) else { return nil }
            let range = try range(of: record.endpoint, position, limit: limit, in: transaction)
            return (record, try finding(range, kept: record.endpoint.kept, mayBeLong: mayBeLong, in: transaction))
        }
        guard let (record, finding) = found else { return .unknownEndpoint }
        guard finding != .tooLong else { return finding }
        if moment.steady.seconds(since: record.endpoint.lastUsed) > min(1, limits.idleSeconds / 10) {
            do throws(StoreFailure) {
                try write(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
                    guard var record = try current(id, at: moment, limits, in: transaction) else { return }
                    record.endpoint.lastUsed = moment.steady
                    try put(record, in: &transaction)
                }
            } catch {
                // A full store must not prevent looking.
                guard error == .full, !core.isTurnBroken else { throw error }
            }
        }
        return finding
    }

    /// The notifications that one look returns.
    private func range(
        of endpoint: Endpoint, _ position: Position, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> NotificationRange {
        var (first, end) = (endpoint.uncollected, endpoint.next)
        switch position {
        case .after(let number):
            first = max(first, number == .max ? .max : number + 1)
            end = try self.end(
                of: endpoint.number, from: first, to: end, count: limit, atMost: Self.lookBytes, in: transaction)
        case .before(let number):
            end = min(end, number)
            first = try start(
                of: endpoint.number, from: first, to: end, count: limit, atMost: Self.lookBytes, in: transaction)
        }
        return NotificationRange(endpoint: endpoint.number, first: first, end: end)
    }

    package func page(
        of range: NotificationRange, from number: UInt64, atMost limit: Int
    ) throws(StoreFailure) -> [NotificationPiece] {
        try read { (transaction) throws(LMDBError) in
            var found: [NotificationPiece] = []
            var damaged: [UInt64] = []
            var bytes = 0
            let first = max(number, range.first)
            try tables.notifications.scan(of: range.endpoint, from: first, to: range.end, in: transaction) {
                key, record in
                guard bytes < limit else { return false }
                guard let piece = NotificationRecord.decode(record, bodyLimit: limit - bytes) else {
                    damaged.append(key.number)
                    return true
                }
                bytes += 256 + piece.notification.body.count + piece.notification.fields.byteCount
                found.append(
                    NotificationPiece(
                        numbered: NumberedNotification(number: key.number, notification: piece.notification),
                        bodyBytes: piece.bodyBytes))
                return true
            }
            for number in damaged { noteDamage("a notification's record is damaged: number \(number)") }
            let kept = try kept(range, in: transaction)
            for index in found.indices {
                try complete(&found[index].numbered, of: range.endpoint, kept: kept, in: transaction)
            }
            return found
        }
    }

    package func body(
        of range: NotificationRange, at number: UInt64, bytes: Range<Int>, of bodyBytes: Int
    ) throws(StoreFailure) -> [UInt8]? {
        try read { (transaction) throws(LMDBError) in
            try tables.notifications.table.part(at: OwnedNumber(range.endpoint, number), in: transaction) {
                NotificationRecord.body(of: $0, bytes, bodyBytes: bodyBytes)
            }
        }
    }

    package func hasNews(
        at endpoints: [(id: Endpoint.ID, after: UInt64)], at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> [Bool] {
        var news: [Bool] = []
        for (id, number) in endpoints {
            do throws(StoreFailure) {
                let isNew = try read(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
                    guard let endpoint = try current(id, at: moment, limits, in: transaction)?.endpoint else {
                        return true
                    }
                    return endpoint.count > 0 && endpoint.next - 1 > number
                }
                news.append(isNew)
            } catch {
                // A client that waits for a damaged endpoint gets the error when it looks.
                news.append(true)
            }
        }
        return news
    }
}
