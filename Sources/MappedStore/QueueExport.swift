internal import Cryptography
internal import Gateway
internal import JSON
internal import LMDB
internal import Linux
internal import Queues

extension MappedStore {
    /// Writes queues, each with its messages behind it, then users, each with its clients behind it.
    func exportQueues(
        in transaction: borrowing Transaction, _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        let queues = try queuesInForce(in: transaction)
        for queue in queues.values.sorted(by: { $0.number < $1.number }) {
            guard let log = try queueLog(queue.number, in: transaction) else { throw .damaged("a queue's log") }
            line("queue") { json in json.queue(queue.settings, log) }
            var cursor = log.first - min(log.first, 1)
            while let entry = try messages(of: queue.number, after: cursor, limit: 1, in: transaction).first {
                cursor = entry.id
                line("message") { json in
                    json.member("queue", queue.settings.name)
                    json.member("id", entry.id)
                    json.member("receivedAt", entry.message.receivedAt)
                    json.member("body", bytes: entry.message.body)
                }
            }
        }
        let names = Dictionary(uniqueKeysWithValues: queues.values.map { ($0.number, $0.settings.name) })
        for user in try usersInForce(in: transaction).values.sorted(by: { $0.number < $1.number }) {
            let rights = Dictionary(uniqueKeysWithValues: try rights(of: user.number, in: transaction))
            line("user") { json in
                json.member("name", user.name)
                json.member("pass_hash", user.hash.text)
                json.member("can_reload", user.mayReload)
                json.member("queues", rights.keys.sorted().map { names[$0] ?? "" })
            }
            var isDamaged = false
            try scanClients(of: user.number, in: transaction) { _, value in
                guard let client = ClientRecord(value) else {
                    isDamaged = true
                    return false
                }
                line("client") { json in
                    json.member("user", user.name)
                    json.member("name", client.name)
                    // Without one where it is disconnected.
                    json.member("queue", orNull: rights[client.queue] == client.right ? names[client.queue] : nil)
                    json.member("cursor", client.cursor)
                }
                return true
            }
            if isDamaged { throw .damaged("a client") }
        }
    }
}

extension JSONWriter {
    fileprivate mutating func queue(_ settings: QueueSettings, _ log: QueueLog) {
        member("name", settings.name)
        member("max_message_count", settings.limits.messageCount)
        member("max_message_size", settings.limits.messageBytes)
        member("max_queue_size", settings.limits.queueBytes)
        member("whitelist_ip", settings.allowedNetworks.map(\.description))
        name("auth")
        if let authentication = settings.authentication {
            object { json in
                json.member("method", "\(authentication.process.rawValue)-\(authentication.algorithm.rawValue)")
                if let key = authentication.key { json.member("key", bytes: key) }
                if let header = authentication.headerName { json.member("header_name", header) }
            }
        } else {
            null()
        }
        member("current_message", log.current)
        member("first", log.first)
        member("lost", log.lost)
    }
}
