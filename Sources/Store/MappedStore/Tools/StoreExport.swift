internal import Capture
internal import Encodings
internal import HTTP
internal import JSON
internal import LMDB
package import Values

extension MappedStore {
    /// Writes all that is kept as JSON, a line at a time, as of one moment; others may go on using the store.
    ///
    /// The first line says what it is. Then come the counters, each endpoint with its uncollected notifications behind it,
    /// each queue with its messages, each user with its clients, and webhooks with their deliveries. Password hashes and
    /// keys are among it. Bytes that are no UTF-8 stand in a member named `…Base64`. The last line counts the lines before it,
    /// by kind: an export that was cut off does not have it.
    /// - Parameter leaveOut: is told of each damaged record, which is then left out, or made anew from what the others say;
    ///   `nil`: a damaged record is an error.
    package func export(
        at moment: Moment, leavingOut leaveOut: ((String) -> Void)? = nil, _ write: ([UInt8]) -> Void
    ) throws(StoreFailure) {
        let salvage = Salvage(leaveOut: leaveOut)
        var counts: [String: UInt64] = [:]
        func line(_ kind: String, _ body: (inout JSONWriter) -> Void) {
            counts[kind, default: 0] += 1
            write(
                objectJSON { json in
                    json.member("kind", kind)
                    body(&json)
                })
        }
        try read { (transaction) throws(LMDBError) in
            line("postroom") { json in
                json.member("schema", Self.schemaVersion)
                json.member("exportedAt", moment.wall)
            }
            let counters =
                try salvage.take("the counters") { () throws(LMDBError) in
                    try tables.meta.record(at: Tables.captureKey, "the record of the counters", in: transaction) {
                        CaptureState($0)
                    }
                }?.counters ?? CaptureCounters()
            line("counters") { json in
                for event in CaptureEvent.allCases { json.member("\(event)", counters[event]) }
            }
            try exportEndpoints(at: moment, salvage, in: transaction, line)
            try exportQueues(salvage, in: transaction, line)
            try exportWebhooks(at: moment, salvage, in: transaction, line)
            let lines = counts.sorted { $0.key < $1.key }
            line("end") { json in
                json.member("counts") { json in
                    for (kind, count) in lines { json.member(kind, count) }
                }
            }
        }
    }

    private func exportEndpoints(
        at moment: Moment, _ salvage: Salvage, in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        for number in try numbers(in: tables.endpoints, transaction) {
            let kept = try salvage.take("endpoint number \(number)") { () throws(LMDBError) in
                try stored(number: number, in: transaction)?.endpoint
            }
            let found = if let kept { kept } else { try rebuiltEndpoint(number, at: moment, salvage, in: transaction) }
            guard let endpoint = found else { continue }
            var waiting: [UInt64] = []
            try tables.notifications.scan(
                of: number, from: endpoint.uncollected, to: endpoint.next, in: transaction
            ) { id, record in
                if salvage.isStrict || (isIntact(record) && NotificationRecord.decode(record) != nil) {
                    waiting.append(id)
                } else {
                    salvage.note("notification \(id) of endpoint \(endpoint.id)")
                }
                return true
            }
            if UInt64(waiting.count) != endpoint.count, salvage.isStrict {
                throw .damaged("endpoint \(endpoint.id)'s count of notifications")
            }
            line("endpoint") { json in
                json.member("id", endpoint.id.description)
                json.member("enabled", endpoint.isEnabled)
                json.member("subpaths", endpoint.takesSubpaths)
                json.member("created", moment.wall(at: endpoint.created))
                json.member("lastUsed", moment.wall(at: endpoint.lastUsed))
                json.member("uncollected", endpoint.uncollected)
                json.member("next", endpoint.next)
                // Where numbers were skipped, it is not what lies between them.
                if UInt64(waiting.count) != endpoint.next - endpoint.uncollected {
                    json.member("waiting", waiting.count)
                }
            }
            for id in waiting {
                let found = try notifications(of: number, from: id, to: id + 1, in: transaction)
                guard let notification = found.first?.notification else {
                    throw .damaged("notification \(id) of endpoint \(endpoint.id)")
                }
                line("notification") { json in
                    json.member("endpoint", endpoint.id.description)
                    json.member("id", id)
                    json.notification(notification)
                }
            }
        }
    }

    /// An endpoint whose record is damaged, as far as indexes and notifications say what was in it.
    private func rebuiltEndpoint(
        _ number: UInt64, at moment: Moment, _ salvage: Salvage, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Endpoint? {
        var id: Endpoint.ID?
        try tables.endpointIDs.scan(in: transaction) { place, value in
            var reader = ByteReader(value)
            if reader.fixed() == number { id = Endpoint.ID(bytes: copy(place)) }
            return id == nil
        }
        guard let id else { return nil }
        var first: UInt64?
        var last: UInt64 = 0
        try tables.notifications.scan(of: number, from: 0, to: .max, in: transaction) { entry, _ in
            first = first ?? entry
            last = entry
            return true
        }
        salvage.note("endpoint \(id) is made anew: enabled, with the notifications that are stored")
        return Endpoint(
            id: id, number: number, created: moment.steady, lastUsed: moment.steady, uncollected: first ?? last + 1,
            next: last + 1)
    }

    func numbers(in table: Table, _ transaction: borrowing Transaction) throws(LMDBError) -> [UInt64] {
        var numbers: [UInt64] = []
        try table.scan(in: transaction) { key, _ in
            var reader = ByteReader(key)
            if let number = reader.fixed(), number < .max { numbers.append(number) }
            return true
        }
        return numbers
    }
}

/// How an export deals with records that are damaged.
struct Salvage {
    let leaveOut: ((String) -> Void)?

    /// Whether a damaged record is an error.
    var isStrict: Bool { leaveOut == nil }

    func note(_ what: String) { leaveOut?(what) }

    /// Returns `nil` for a record that is damaged and left out, as for one that is not there.
    func take<Value>(
        _ subject: @autoclosure () -> String, _ body: () throws(LMDBError) -> Value?
    ) throws(LMDBError) -> Value? {
        do throws(LMDBError) {
            return try body()
        } catch {
            guard error.isRecordDamage else { throw error }
            let subject = subject()
            guard let leaveOut else { throw .damaged(subject) }
            leaveOut(subject)
            return nil
        }
    }
}

/// Members of an export.
extension JSONWriter {
    mutating func member(_ name: String, _ time: Timestamp) { member(name, time.iso8601()) }

    /// Bytes as text where they are text.
    mutating func member(_ name: String, bytes: some Collection<UInt8>) {
        if let text = String(validating: bytes, as: UTF8.self) {
            member(name, text)
        } else {
            member(name + "Base64", Base64.standard.encode(bytes))
        }
    }
}

extension JSONWriter {
    fileprivate mutating func notification(_ notification: Notification) {
        member("receivedAt", notification.receivedAt)
        member("method", notification.method)
        if let remote = notification.remote { member("remote", remote) }
        member("path", bytes: notification.path)
        if let query = notification.query { member("query", bytes: query) }
        member("headers", arrayOf: 0..<notification.fields.count) { json, index in
            json.object { json in
                json.member("name", bytes: notification.fields.name(at: index))
                json.member("value", bytes: notification.fields.value(at: index))
            }
        }
        switch notification.bodyKind {
        case .text:
            member("body", bytes: notification.body)
        case .binary:
            member("bodyBase64", Base64.standard.encode(notification.body))
        case .encodedText(let label):
            member("charset", label)
            member("bodyBase64", Base64.standard.encode(notification.body))
        }
    }
}
