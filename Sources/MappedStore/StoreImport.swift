internal import Capture
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

extension MappedStore {
    /// Takes in what `export` wrote, into a store that has no endpoints. All of it, or nothing.
    /// - Parameter nextLine: hands out the lines one after the other.
    /// - Returns: how many endpoints and notifications there were.
    package func `import`(
        at moment: Moment, _ nextLine: () throws(ImportError) -> [UInt8]?
    ) throws(ImportError) -> (endpoints: Int, notifications: Int) {
        var importer = Importer(store: self, moment: moment)
        do throws(ImportError) {
            while let line = try nextLine() { try importer.take(line) }
            try importer.finish()
        } catch {
            rollBack()
            throw error
        }
        do throws(StoreFailure) {
            try commit()
            try settle()
        } catch { throw ImportError(line: 0, reason: "the store failed: \(error)") }
        return (importer.endpoints, importer.notifications)
    }
}

/// Reads lines, and puts what they say into the open transaction.
private struct Importer {
    let store: MappedStore
    let moment: Moment
    var endpoints = 0
    var notifications = 0
    private var line = 0
    /// The endpoint whose notifications are being read; it is written once the next one begins.
    private var current: EndpointRecord?

    init(store: MappedStore, moment: Moment) {
        self.store = store
        self.moment = moment
    }

    private func fault(_ reason: String) -> ImportError { ImportError(line: line, reason: reason) }

    mutating func take(_ text: [UInt8]) throws(ImportError) {
        line += 1
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: text) } catch { throw fault("no JSON: \(error)") }
        guard line > 1 else { return try begin(json) }
        switch json["kind"]?.string {
        case "counters": try counters(json)
        case "endpoint": try endpoint(json)
        case "notification": try notification(json)
        default: throw fault("its \"kind\" is not known")
        }
    }

    private func begin(_ json: JSON) throws(ImportError) {
        guard json["kind"]?.string == "postroom", let schema = json["schema"]?.integer else {
            throw fault("this is no export of a store")
        }
        guard schema <= MappedStore.schemaVersion else { throw fault("schema \(schema) is newer than this program") }
        let count = try keep { (transaction) throws(LMDBError) in try store.tables.endpoints.count(in: transaction) }
        guard count == 0 else { throw fault("the store already has \(count) endpoints") }
    }

    mutating func finish() throws(ImportError) {
        guard line > 0 else { throw ImportError(line: 0, reason: "there is nothing to import") }
        try flush()
    }

    private func counters(_ json: JSON) throws(ImportError) {
        var counters = CaptureCounters()
        for event in CaptureEvent.allCases {
            guard let value = json["\(event)"]?.integer.flatMap({ UInt64(exactly: $0) }) else {
                throw fault("the counter \"\(event)\" is missing or no number")
            }
            counters[event] = value
        }
        try keep { [counters] (transaction) throws(LMDBError) in
            var state = try store.captureState(in: transaction)
            state.counters = counters
            try store.put(state, in: &transaction)
        }
    }

    private mutating func endpoint(_ json: JSON) throws(ImportError) {
        try flush()
        guard let id = json["id"]?.string.flatMap({ Endpoint.ID($0) }) else {
            throw fault("\"id\" is no endpoint's id")
        }
        guard let isEnabled = json["enabled"]?.bool, let takesSubpaths = json["subpaths"]?.bool else {
            throw fault("\"enabled\" or \"subpaths\" is no Boolean")
        }
        guard let uncollected = json["uncollected"]?.integer.flatMap({ UInt64(exactly: $0) }), uncollected >= 1,
            let next = json["next"]?.integer.flatMap({ UInt64(exactly: $0) }), next >= uncollected
        else { throw fault("\"uncollected\" and \"next\" are no numbers from 1 on, in this order") }
        let created = try time(json, "created")
        let lastUsed = try time(json, "lastUsed")
        let moment = self.moment
        let number = try keep { (transaction) throws(LMDBError) -> UInt64? in
            guard try !store.tables.endpointIDs.contains(id.bytes, in: transaction) else { return nil }
            var state = try store.captureState(in: transaction)
            let number = state.nextEndpoint
            state.nextEndpoint += 1
            try store.put(state, in: &transaction)
            try store.tables.endpointIDs.put(key(number), at: id.bytes, in: &transaction)
            return number
        }
        guard let number else { throw fault("the endpoint is there twice") }
        let steady = { (wall: Timestamp) in
            Timestamp(microseconds: moment.steady.microseconds - (moment.wall.microseconds - wall.microseconds))
        }
        let endpoint = Endpoint(
            id: id, number: number, isEnabled: isEnabled, takesSubpaths: takesSubpaths, created: steady(created),
            lastUsed: steady(lastUsed), uncollected: uncollected, next: next)
        current = EndpointRecord(endpoint: endpoint, indexedUse: endpoint.lastUsed)
        endpoints += 1
    }

    /// Writes the endpoint whose notifications are all there.
    private mutating func flush() throws(ImportError) {
        guard let record = current else { return }
        current = nil
        guard taken == record.endpoint.count else {
            throw fault("notifications of the endpoint before are missing")
        }
        taken = 0
        try keep { (transaction) throws(LMDBError) in
            try store.put(record, in: &transaction)
            try store.tables.endpointUses.put([], at: record.useKey, in: &transaction)
        }
    }

    /// How many notifications of the current endpoint have been read.
    private var taken: UInt64 = 0

    private mutating func notification(_ json: JSON) throws(ImportError) {
        guard var record = current, json["endpoint"]?.string == record.endpoint.id.description else {
            throw fault("the notification does not follow its endpoint")
        }
        let number = record.endpoint.uncollected + taken
        guard number < record.endpoint.next, json["id"]?.integer == Int(exactly: number) else {
            throw fault("\"id\" is out of order, or notifications before it are missing")
        }
        let bytes = NotificationRecord.encode(try readNotification(json))
        taken += 1
        record.endpoint.bytes += UInt64(bytes.count)
        current = record
        notifications += 1
        let owner = record.endpoint.number
        try keep { (transaction) throws(LMDBError) in
            try store.tables.notifications.put(bytes, of: owner, at: number, in: &transaction)
        }
    }

    private func readNotification(_ json: JSON) throws(ImportError) -> Notification {
        guard let method = json["method"]?.string else { throw fault("\"method\" is missing") }
        var fields = FieldList()
        for header in json["headers"]?.array ?? [] {
            guard let name = try bytes(header, "name"), let value = try bytes(header, "value") else {
                throw fault("a header has no name or no value")
            }
            fields.append(name: name, value: value)
        }
        guard let path = try bytes(json, "path"), let body = try bytes(json, "body") else {
            throw fault("\"path\" or \"body\" is missing")
        }
        let kind: Notification.BodyKind =
            if let label = json["charset"]?.string { .encodedText(label) } else {
                json["body"] == nil ? .binary : .text
            }
        return Notification(
            method: method, path: path, query: try bytes(json, "query"), fields: fields, body: body, bodyKind: kind,
            receivedAt: try time(json, "receivedAt"), remote: json["remote"]?.string)
    }

    private func bytes(_ json: JSON, _ name: String) throws(ImportError) -> [UInt8]? {
        if let text = json[name]?.string { return Array(text.utf8) }
        guard let text = json[name + "Base64"]?.string else { return nil }
        guard let bytes = Base64.standard.decode(text.utf8) else { throw fault("\"\(name)Base64\" is no base64") }
        return bytes
    }

    private func time(_ json: JSON, _ name: String) throws(ImportError) -> Timestamp {
        guard let time = json[name]?.string.flatMap({ Timestamp(iso8601: $0) }) else {
            throw fault("\"\(name)\" is no time")
        }
        return time
    }

    private func keep<Result>(
        _ body: (inout Transaction) throws(LMDBError) -> Result
    ) throws(ImportError) -> Result {
        do throws(StoreFailure) { return try store.write(body) } catch { throw fault("the store failed: \(error)") }
    }
}
