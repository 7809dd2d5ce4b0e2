internal import Capture
internal import HTTP
internal import LMDB
internal import Values

/// The outcome of a request, remembered so that a retry has the same outcome.
enum Outcome: Equatable, KeylessRecord {
    typealias Key = RequestID
    static let name = "a remembered request"

    case stored
    case created(Endpoint.ID)
    /// The notifications from `first` up to `end` (exclusive) were returned. They are kept until this outcome is forgotten.
    case collected(endpoint: UInt64, first: UInt64, end: UInt64)
    /// The request was carried out, and there is no more to say about it.
    case done
    /// A client of a queue received the messages after `cursor`, up to and including `end`. If both are the same, the
    /// response reported lost messages instead.
    case read(queue: UInt64, cursor: UInt64, end: UInt64)
    /// Something with this id was created.
    case made(UUID)
    /// An event was stored, with this key in the table of event ids.
    case event(EventKey)
    /// The request affected this many items.
    case count(UInt64)
    /// The forwards of an endpoint from `first` up to `end` (exclusive) were begun.
    case forwarded(endpoint: UInt64, first: UInt64, end: UInt64)

    /// Whether records are kept until it is forgotten, so that it must survive as they do.
    var keepsRecords: Bool {
        if case .collected = self { true } else { false }
    }

    var encoded: [UInt8] {
        var writer = ByteWriter()
        switch self {
        case .stored:
            writer.byte(1)
        case .created(let id):
            writer.byte(2)
            writer.rest(id.bytes)
        case .collected(let endpoint, let first, let end):
            writer.byte(3)
            for value in [endpoint, first, end] { writer.number(value) }
        case .done:
            writer.byte(4)
        case .read(let queue, let cursor, let end):
            writer.byte(5)
            for value in [queue, cursor, end] { writer.number(value) }
        case .made(let id):
            writer.byte(6)
            writer.rest(id.bytes)
        case .event(let key):
            writer.byte(7)
            key.write(to: &writer)
        case .count(let count):
            writer.byte(8)
            writer.number(count)
        case .forwarded(let endpoint, let first, let end):
            writer.byte(9)
            for value in [endpoint, first, end] { writer.number(value) }
        }
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        switch reader.byte() {
        case 1:
            self = .stored
        case 2:
            guard let id = Endpoint.ID(bytes: reader.rest()) else { return nil }
            self = .created(id)
        case 3:
            guard let endpoint = reader.number(), let first = reader.number(), let end = reader.number() else {
                return nil
            }
            self = .collected(endpoint: endpoint, first: first, end: end)
        case 4:
            self = .done
        case 5:
            guard let queue = reader.number(), let cursor = reader.number(), let end = reader.number(),
                cursor <= end, end < .max
            else { return nil }
            self = .read(queue: queue, cursor: cursor, end: end)
        case 6:
            guard let id = UUID(bytes: reader.rest()) else { return nil }
            self = .made(id)
        case 7:
            guard let key = EventKey(keyBytes: reader.rest()) else { return nil }
            self = .event(key)
        case 8:
            guard let count = reader.number() else { return nil }
            self = .count(count)
        case 9:
            guard let endpoint = reader.number(), let first = reader.number(), let end = reader.number() else {
                return nil
            }
            self = .forwarded(endpoint: endpoint, first: first, end: end)
        default:
            return nil
        }
    }
}

/// The requests of the last two minutes or so, by their ids, and their outcomes: those that keep something in the store, and
/// those for which `RequestMemory` has no room.
struct RecentRequests {
    /// How long a request is remembered. nginx starts no retry later than `retrySeconds` after the first attempt.
    static let memoryMilliseconds: UInt64 = 120_000

    let table: RecordTable<Outcome>

    func outcome(of request: RequestID?, in transaction: borrowing Transaction) throws(LMDBError) -> Outcome? {
        try request.flatMap { request throws(LMDBError) in try table.value(at: request, in: transaction) }
    }

    func remember(
        _ outcome: Outcome, of request: RequestID, in transaction: inout Transaction
    ) throws(LMDBError) {
        try table.put(outcome, at: request, in: &transaction)
    }

    func forget(_ request: RequestID, in transaction: inout Transaction) throws(LMDBError) {
        try table.remove(request, in: &transaction)
    }

    /// Forgets requests that came before a time: the oldest `limit` of them. Returns their outcomes.
    func forget(
        before milliseconds: UInt64, limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> [Outcome] {
        var requests: [RequestID] = []
        var outcomes: [Outcome] = []
        try table.scan(in: transaction) { request, outcome in
            guard requests.count < limit, request.milliseconds < milliseconds else { return false }
            requests.append(request)
            if let outcome { outcomes.append(outcome) }
            return true
        }
        for request in requests { try table.remove(request, in: &transaction) }
        return outcomes
    }
}

extension RequestID: TableKey {
    func write(to writer: inout ByteWriter) {
        for number in [milliseconds, high, low] { writer.fixed(number) }
    }

    init?(from reader: inout ByteReader) {
        guard let milliseconds = reader.fixed(), let high = reader.fixed(), let low = reader.fixed() else { return nil }
        self.init(milliseconds: milliseconds, high: high, low: low)
    }

    /// A new id, for an outcome that the store remembers without the id of a request.
    static func made(at moment: Moment) -> RequestID {
        RequestID(
            milliseconds: UInt64(max(0, moment.wall.microseconds / 1000)), high: .random(in: 0 ... .max),
            low: .random(in: 0 ... .max))
    }
}

extension StoreCore {
    private var memory: RequestMemory? { durability?.shared.requests }

    func outcome(of request: RequestID?, in transaction: borrowing Transaction) throws(LMDBError) -> Outcome? {
        guard let request else { return nil }
        if let outcome = memory?.outcome(of: request, upTo: transaction.id) { return outcome }
        return try tables.requests.outcome(of: request, in: transaction)
    }

    func remember(
        _ outcome: Outcome, of request: RequestID?, in transaction: inout Transaction
    ) throws(LMDBError) {
        guard let request else { return }
        if !outcome.keepsRecords, let memory, memory.remember(outcome, of: request, in: transaction.id) {
            // A transaction that has changed nothing is not committed, and its id is given to another one.
            if !transaction.hasChanged { try tables.touched.put((), in: &transaction) }
            return
        }
        try tables.requests.remember(outcome, of: request, in: &transaction)
        rememberedInTurn += 1
    }

    /// The time, in milliseconds since 1970, before which requests need not be remembered any longer.
    static func forgetTime(_ nowMicroseconds: Int64) -> UInt64 {
        UInt64(max(0, nowMicroseconds / 1000 - Int64(RecentRequests.memoryMilliseconds)))
    }

    /// Forgets old requests, and removes the notifications that were kept for a retry of collecting them.
    /// - Returns: how many requests were forgotten; `limit` means that there may be more.
    @discardableResult
    func forgetRequests(
        before milliseconds: UInt64, limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        let forgotten = try tables.requests.forget(before: milliseconds, limit: limit, in: &transaction)
        for case .collected(let endpoint, let first, let end) in forgotten {
            try tables.notifications.remove(of: endpoint, from: first, to: end, in: &transaction)
        }
        return forgotten.count
    }

    /// Forgets requests that can no longer be retried. Writes nothing if there is nothing to forget.
    /// - Returns: how many requests were forgotten; `limit` means that there may be more.
    func forgetRequests(at moment: Moment, limit: Int) throws(StoreFailure) -> Int {
        let time = Self.forgetTime(moment.wall.microseconds)
        let isDue = try read { (transaction) throws(LMDBError) in
            var isDue = false
            try tables.requests.table.scanKeys(in: transaction) { request in
                isDue = request.milliseconds < time
                return false
            }
            return isDue
        }
        guard isDue else { return 0 }
        return try write { (transaction) throws(LMDBError) in
            try forgetRequests(before: time, limit: limit, in: &transaction)
        }
    }
}
