internal import Encodings
internal import HTTP
internal import JSON
internal import LMDB
package import Storage
package import Values

extension MappedStore {
    /// Imports what `export` wrote, into a store without endpoints, queues, users, environments, webhooks, subscriptions
    /// and payloads. Imports all of it or nothing.
    ///
    /// Endpoints continue as if no time had passed since the export, and count as used just now. When the store is next
    /// opened, its numbers continue above all that the exported store can have given since.
    /// - Parameters:
    ///   - isIncompleteAllowed: whether an export that was cut off is imported as far as it goes.
    ///   - leaveOut: called for each line that does not fit the others, which is then left out; `nil`: such a line is an
    ///     error.
    ///   - nextLine: returns the lines one after the other, then `nil`.
    package func `import`(
        at moment: Moment, isIncompleteAllowed: Bool = false, leavingOut leaveOut: ((String) -> Void)? = nil,
        _ nextLine: () throws(ImportError) -> [UInt8]?
    ) throws(ImportError) -> ImportCounts {
        var importer = Importer(store: self, moment: moment, isIncompleteAllowed: isIncompleteAllowed)
        do throws(ImportError) {
            while let text = try nextLine() {
                do throws(ImportError) {
                    try importer.take(text)
                } catch {
                    guard let leaveOut, !core.isTurnBroken else { throw error }
                    leaveOut(error.reason)
                }
            }
            try importer.finish()
        } catch {
            rollBack()
            throw error
        }
        do throws(StoreFailure) {
            try commit()
            try flush()
        } catch { throw ImportError(line: 0, reason: "the store failed: \(error)") }
        return importer.counts
    }
}

/// Reads lines, and writes their content in the open transaction.
private struct Importer {
    let store: MappedStore
    var counts = ImportCounts()
    private var endpoints: EndpointImporter
    private var queues: QueueImporter
    private var webhooks: WebhookImporter
    private var number = 0
    private let isIncompleteAllowed: Bool
    /// The number of lines of each kind.
    private var lines: [String: UInt64] = [:]
    /// The error of a line that is not JSON: it must be the last one, which was cut off.
    private var brokenLine: ImportError?

    init(store: MappedStore, moment: Moment, isIncompleteAllowed: Bool) {
        self.store = store
        self.isIncompleteAllowed = isIncompleteAllowed
        endpoints = EndpointImporter(store: store.capture, moment: moment)
        queues = QueueImporter(store: store.queues, moment: moment)
        webhooks = WebhookImporter(store: store, moment: moment)
    }

    mutating func take(_ text: [UInt8]) throws(ImportError) {
        number += 1
        if let brokenLine { throw brokenLine }
        let line: ImportLine
        do throws(JSONError) {
            line = ImportLine(number: number, json: try JSON(parsing: text), store: store)
        } catch {
            let broken = ImportError(line: number, reason: "not JSON: \(error)")
            guard isIncompleteAllowed, number > 1 else { throw broken }
            brokenLine = broken
            return
        }
        guard !counts.isComplete else { throw line.fault("unexpected line after the last line of the export") }
        let kind = line.json["kind"]?.string ?? ""
        defer { lines[kind, default: 0] += 1 }
        guard number > 1 else { return try begin(line) }
        switch kind {
        case "end": try end(line)
        case "counters": try endpoints.counters(line)
        case "endpoint": try endpoints.endpoint(line, &counts)
        case "notification": try endpoints.notification(line, &counts)
        case "forwardContent": try endpoints.forwardContent(line)
        case "forward": try endpoints.forward(line)
        case "queue": try queues.queue(line, &counts)
        case "message": try queues.message(line, &counts)
        case "user": try queues.user(line)
        case "client": try queues.client(line)
        case "seal": try webhooks.seal(line)
        case "environment": try webhooks.environment(line)
        case "webhook": try webhooks.webhook(line, &counts)
        case "subscription": try webhooks.subscription(line, &counts)
        case "deliveries": try webhooks.deliveries(line)
        case "parcel": try webhooks.payload(line)
        case "delivery": try webhooks.delivery(line, &counts)
        case "attempt": try webhooks.attempt(line)
        case "replay": try webhooks.replay(line)
        default: throw line.fault("unknown \"kind\"")
        }
    }

    private mutating func begin(_ line: ImportLine) throws(ImportError) {
        guard line.json["kind"]?.string == "postroom", let schema = line.json["schema"]?.integer else {
            throw line.fault("this is not an export of a store")
        }
        guard schema <= MappedStore.schemaVersion else {
            throw line.fault(
                "the export has schema version \(schema), which is newer than version \(MappedStore.schemaVersion) of this program"
            )
        }
        if line.json["exportedAt"] != nil {
            endpoints.exportedAt = min(try line.time("exportedAt"), endpoints.exportedAt)
        }
        let tables = store.tables
        for (table, what) in [
            (tables.endpointIDs.bytes, "endpoints"), (tables.queues.bytes, "queues"), (tables.users.bytes, "users"),
            (tables.environments.bytes, "environments"), (tables.webhooks.bytes, "webhooks"),
            (tables.subscriptions.bytes, "subscriptions"), (tables.payloads.bytes, "payloads"),
        ] {
            let count = try line.write { (transaction) throws(LMDBError) in try table.count(in: transaction) }
            guard count == 0 else { throw line.fault("the store is not empty: it has \(count) \(what)") }
        }
    }

    /// Compares the number of lines that were read with the number that were written.
    private mutating func end(_ line: ImportLine) throws(ImportError) {
        guard case .object(let members)? = line.json["counts"] else { throw line.fault("\"counts\" is missing") }
        let counted = ImportLine(number: line.number, json: .object(members), store: store)
        for kind in Set(members.map(\.name)).union(lines.keys).sorted() {
            let (written, read) = (counted.json[kind] == nil ? 0 : try counted.count(kind), lines[kind] ?? 0)
            guard written == read else {
                throw line.fault("the export had \(written) lines of kind \"\(kind)\", but \(read) were read")
            }
        }
        counts.isComplete = true
    }

    mutating func finish() throws(ImportError) {
        guard number > 0 else { throw ImportError(reason: "the input is empty") }
        guard counts.isComplete || isIncompleteAllowed else {
            throw ImportError(
                reason: """
                    the export is incomplete: its last line, which counts the others, is missing. It was cut off, or an \
                    older version wrote it. Use --incomplete to import what there is
                    """)
        }
        endpoints.isIncompleteAllowed = !counts.isComplete
        let end = ImportLine(number: number, json: .null, store: store)
        try endpoints.finish(end)
        try queues.finish(end)
        try webhooks.finish(end)
        // The exported store may have given more numbers since, which clients know. Without this record, the next opening
        // continues above them.
        try end.write { (transaction) throws(LMDBError) in
            try store.tables.numbers.remove(in: &transaction)
        }
    }
}

/// One line of an import, with checked access to its members.
struct ImportLine {
    let number: Int
    let json: JSON
    let store: MappedStore

    func fault(_ reason: String) -> ImportError { ImportError(line: number, reason: reason) }

    func text(_ name: String) throws(ImportError) -> String {
        guard let text = json[name]?.string else { throw fault("\"\(name)\" is missing or not a string") }
        return text
    }

    func bool(_ name: String) throws(ImportError) -> Bool {
        guard let value = json[name]?.bool else { throw fault("\"\(name)\" is missing or not a Boolean") }
        return value
    }

    func count(_ name: String) throws(ImportError) -> UInt64 {
        guard let value = json[name]?.integer.flatMap({ UInt64(exactly: $0) }) else {
            throw fault("\"\(name)\" is missing or not a whole number")
        }
        return value
    }

    func time(_ name: String) throws(ImportError) -> Timestamp {
        guard let time = json[name]?.string.flatMap({ Timestamp(iso8601: $0) }) else {
            throw fault("\"\(name)\" is missing or not a time")
        }
        return time
    }

    func list(_ name: String, in object: JSON? = nil) throws(ImportError) -> [JSON] {
        guard let list = (object ?? json)[name]?.array else { throw fault("\"\(name)\" is missing or not a list") }
        return list
    }

    /// Bytes given as text, or as base64 in a member named `…Base64`; `nil` if neither is present.
    func bytes(_ name: String, in object: JSON? = nil) throws(ImportError) -> [UInt8]? {
        let object = object ?? json
        if let text = object[name]?.string { return Array(text.utf8) }
        guard let text = object[name + "Base64"]?.string else { return nil }
        guard let bytes = Base64.standard.decode(text.utf8) else { throw fault("\"\(name)Base64\" is not Base64") }
        return bytes
    }

    @discardableResult
    func write<Result>(
        _ body: (inout Transaction) throws(LMDBError) -> Result
    ) throws(ImportError) -> Result {
        do throws(StoreFailure) { return try store.write(body) } catch { throw fault("the store failed: \(error)") }
    }
}
