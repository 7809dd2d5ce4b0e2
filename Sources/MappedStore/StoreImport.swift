internal import ContentDecoding
package import Gateway
internal import JSON
internal import LMDB

/// Why a line cannot be imported.
package struct ImportError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Counted from 1; 0 where no line is at fault.
    package let line: Int
    package let reason: String

    package init(line: Int = 0, reason: String) {
        self.line = line
        self.reason = reason
    }

    package var description: String { line == 0 ? reason : "line \(line): \(reason)" }
}

/// How much was imported.
package struct ImportCounts: Equatable, Sendable {
    package internal(set) var endpoints = 0
    package internal(set) var notifications = 0
    package internal(set) var queues = 0
    package internal(set) var messages = 0
    package internal(set) var webhooks = 0
    package internal(set) var subscriptions = 0
    package internal(set) var deliveries = 0
}

extension MappedStore {
    /// Takes in what `export` wrote, into a store that has no endpoints, queues, users, webhooks and subscriptions. All of it, or nothing.
    /// - Parameters:
    ///   - leaveOut: is told of each line that does not fit the others, which is then left out; `nil`: that is an error.
    ///   - nextLine: hands out the lines one after the other.
    package func `import`(
        at moment: Moment, leavingOut leaveOut: ((String) -> Void)? = nil,
        _ nextLine: () throws(ImportError) -> [UInt8]?
    ) throws(ImportError) -> ImportCounts {
        var importer = Importer(store: self, moment: moment)
        do throws(ImportError) {
            while let text = try nextLine() {
                do throws(ImportError) {
                    try importer.take(text)
                } catch {
                    guard let leaveOut, !isTurnBroken else { throw error }
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
            try settle()
        } catch { throw ImportError(line: 0, reason: "the store failed: \(error)") }
        return importer.counts
    }
}

/// Reads lines, and puts what they say into the open transaction.
private struct Importer {
    let store: MappedStore
    var counts = ImportCounts()
    private var endpoints: EndpointImporter
    private var queues: QueueImporter
    private var webhooks: WebhookImporter
    private var number = 0

    init(store: MappedStore, moment: Moment) {
        self.store = store
        endpoints = EndpointImporter(store: store, moment: moment)
        queues = QueueImporter(store: store, moment: moment)
        webhooks = WebhookImporter(store: store, moment: moment)
    }

    mutating func take(_ text: [UInt8]) throws(ImportError) {
        number += 1
        let line: ImportLine
        do throws(JSONError) {
            line = ImportLine(number: number, json: try JSON(parsing: text), store: store)
        } catch {
            throw ImportError(line: number, reason: "no JSON: \(error)")
        }
        guard number > 1 else { return try begin(line) }
        switch line.json["kind"]?.string {
        case "counters": try endpoints.counters(line)
        case "endpoint": try endpoints.endpoint(line, &counts)
        case "notification": try endpoints.notification(line, &counts)
        case "queue": try queues.queue(line, &counts)
        case "message": try queues.message(line, &counts)
        case "user": try queues.user(line)
        case "client": try queues.client(line)
        case "seal": try webhooks.seal(line)
        case "environment": try webhooks.environment(line)
        case "webhook": try webhooks.webhook(line, &counts)
        case "subscription": try webhooks.subscription(line, &counts)
        case "deliveries": try webhooks.deliveries(line)
        case "parcel": try webhooks.parcel(line)
        case "delivery": try webhooks.delivery(line, &counts)
        case "attempt": try webhooks.attempt(line)
        case "replay": try webhooks.replay(line)
        default: throw line.fault("its \"kind\" is not known")
        }
    }

    private func begin(_ line: ImportLine) throws(ImportError) {
        guard line.json["kind"]?.string == "postroom", let schema = line.json["schema"]?.integer else {
            throw line.fault("this is no export of a store")
        }
        guard schema <= MappedStore.schemaVersion else {
            throw line.fault("schema \(schema) is newer than this program")
        }
        for (table, what) in [
            (store.tables.endpoints, "endpoints"), (store.tables.queues, "queues"), (store.tables.users, "users"),
            (store.tables.environments, "environments"), (store.tables.webhooks, "webhooks"),
            (store.tables.subscriptions, "subscriptions"), (store.tables.parcels, "parcels"),
        ] {
            let count = try line.keep { (transaction) throws(LMDBError) in try table.count(in: transaction) }
            guard count == 0 else { throw line.fault("the store already has \(count) \(what)") }
        }
    }

    mutating func finish() throws(ImportError) {
        guard number > 0 else { throw ImportError(reason: "there is nothing to import") }
        let end = ImportLine(number: number, json: .null, store: store)
        try endpoints.finish(end)
        try queues.finish(end)
        try webhooks.finish(end)
    }
}

/// One line of an import, and what can be said of it.
struct ImportLine {
    let number: Int
    let json: JSON
    let store: MappedStore

    func fault(_ reason: String) -> ImportError { ImportError(line: number, reason: reason) }

    func text(_ name: String) throws(ImportError) -> String {
        guard let text = json[name]?.string else { throw fault("\"\(name)\" is missing or no text") }
        return text
    }

    func bool(_ name: String) throws(ImportError) -> Bool {
        guard let value = json[name]?.bool else { throw fault("\"\(name)\" is no Boolean") }
        return value
    }

    func count(_ name: String) throws(ImportError) -> UInt64 {
        guard let value = json[name]?.integer.flatMap({ UInt64(exactly: $0) }) else {
            throw fault("\"\(name)\" is missing or no number from 0 on")
        }
        return value
    }

    func time(_ name: String) throws(ImportError) -> Timestamp {
        guard let time = json[name]?.string.flatMap({ Timestamp(iso8601: $0) }) else {
            throw fault("\"\(name)\" is no time")
        }
        return time
    }

    /// Bytes that stand as text, or in base64 in a member named `…Base64`; `nil` where neither is there.
    func bytes(_ name: String, in object: JSON? = nil) throws(ImportError) -> [UInt8]? {
        let object = object ?? json
        if let text = object[name]?.string { return Array(text.utf8) }
        guard let text = object[name + "Base64"]?.string else { return nil }
        guard let bytes = Base64.standard.decode(text.utf8) else { throw fault("\"\(name)Base64\" is no base64") }
        return bytes
    }

    @discardableResult
    func keep<Result>(
        _ body: (inout Transaction) throws(LMDBError) -> Result
    ) throws(ImportError) -> Result {
        do throws(StoreFailure) { return try store.write(body) } catch { throw fault("the store failed: \(error)") }
    }
}
