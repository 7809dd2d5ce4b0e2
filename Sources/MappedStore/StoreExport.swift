internal import Capture
internal import ContentDecoding
package import Gateway
internal import JSON
internal import LMDB

extension MappedStore {
    /// Writes all that is kept as JSON, a line at a time, as of one moment; others may go on using the store.
    ///
    /// The first line says what it is. Then come the counters, each endpoint with its uncollected notifications behind it,
    /// each queue with its messages, each user with its clients, and webhooks with their deliveries. Password hashes and
    /// keys are among it. Bytes that are no UTF-8 stand in a member named `…Base64`.
    package func export(at moment: Moment, _ write: ([UInt8]) -> Void) throws(StoreFailure) {
        func line(_ kind: String, _ body: (inout JSONWriter) -> Void) {
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
            let counters = try captureState(in: transaction).counters
            line("counters") { json in
                for event in CaptureEvent.allCases { json.member("\(event)", counters[event]) }
            }
            var next: UInt64? = 0
            while let start = next {
                var found: Endpoint?
                try tables.endpoints.scan(from: key(start), in: transaction) { key, value in
                    var reader = ByteReader(key)
                    found = reader.fixed().flatMap { EndpointRecord(value, number: $0)?.endpoint }
                    return false
                }
                guard let endpoint = found else { break }
                next = endpoint.number + 1
                line("endpoint") { json in
                    json.member("id", endpoint.id.description)
                    json.member("enabled", endpoint.isEnabled)
                    json.member("subpaths", endpoint.takesSubpaths)
                    json.member("created", moment.wall(at: endpoint.created))
                    json.member("lastUsed", moment.wall(at: endpoint.lastUsed))
                    json.member("uncollected", endpoint.uncollected)
                    json.member("next", endpoint.next)
                }
                for number in endpoint.uncollected..<endpoint.next {
                    let found = try notifications(of: endpoint.number, from: number, to: number + 1, in: transaction)
                    guard let notification = found.first?.notification else {
                        throw .damaged("a notification's record")
                    }
                    line("notification") { json in
                        json.member("endpoint", endpoint.id.description)
                        json.member("id", number)
                        json.notification(notification)
                    }
                }
            }
            try exportQueues(in: transaction, line)
            try exportWebhooks(at: moment, in: transaction, line)
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
