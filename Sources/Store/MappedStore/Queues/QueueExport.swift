internal import Cryptography
internal import HTTP
internal import JSON
internal import LMDB
internal import Linux
internal import Queues
internal import Values

extension MappedQueues {
    /// Writes queues, each followed by its messages, then users, each followed by its clients.
    func exportQueues(
        _ salvage: Salvage, in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        let queues = try queuesInForce(sparing: !salvage.isStrict, in: transaction)
        let known = Set(queues.values.map(\.number))
        for number in try numbers(in: tables.queues, transaction) where !known.contains(number) {
            salvage.note("the settings of queue number \(number), and with them its messages")
        }
        for queue in queues.values.sorted(by: { $0.number < $1.number }) {
            let name = queue.settings.name
            let kept = try salvage.take("the counts of queue \(name), which are rebuilt") {
                () throws(LMDBError) -> QueueLog in
                guard let log = try queueLog(queue.number, in: transaction) else { throw .damaged(QueueLogRecord.name) }
                return log
            }
            let log = if let kept { kept } else { try rebuiltLog(of: queue.number, in: transaction) }
            line("queue") { json in json.queue(queue.settings, log) }
            var cursor = log.first - min(log.first, 1)
            while let id = try nextMessage(of: queue.number, after: cursor, in: transaction), id <= log.current {
                cursor = id
                let found = try salvage.take("message \(id) of queue \(name)") {
                    () throws(LMDBError) -> NumberedMessage? in
                    let isWhole = try tables.messages.table.part(at: OwnedNumber(queue.number, id), in: transaction) {
                        isIntact($0)
                    }
                    guard isWhole == true else { throw .damaged(MessageRecord.name) }
                    return try messages(of: queue.number, after: id - 1, limit: 1, in: transaction).first
                }
                guard let entry = found else { continue }
                line("message") { json in
                    json.member("queue", queue.settings.name)
                    json.member("id", entry.id)
                    json.member("receivedAt", entry.message.receivedAt)
                    json.member("body", bytes: entry.message.body)
                }
            }
        }
        let names = Dictionary(uniqueKeysWithValues: queues.values.map { ($0.number, $0.settings.name) })
        let users = try usersInForce(sparing: !salvage.isStrict, in: transaction)
        for _ in users.count..<max(users.count, try tables.users.count(in: transaction)) {
            salvage.note("the record of a user, and with it the user's clients")
        }
        for user in users.values.sorted(by: { $0.number < $1.number }) {
            let found = try salvage.take("the rights of user \(user.name)") {
                () throws(LMDBError) -> [(queue: UInt64, right: UInt64)]? in
                try self.rights(of: user.number, in: transaction)
            }
            let rights = Dictionary(uniqueKeysWithValues: (found ?? []).map { ($0.queue, $0.right) })
            line("user") { json in
                json.member("name", user.name)
                json.member("pass_hash", user.hash.text)
                json.member("can_reload", user.mayReload)
                json.member("queues", rights.keys.sorted().map { names[$0] ?? "" })
            }
            var isDamaged = false
            try scanClients(of: user.number, in: transaction) { _, client in
                guard let client else {
                    isDamaged = true
                    salvage.note("a client of user \(user.name)")
                    return !salvage.isStrict
                }
                line("client") { json in
                    json.member("user", user.name)
                    json.member("name", client.name)
                    // `null` if the client is disconnected.
                    json.member("queue", orNull: rights[client.queue] == client.right ? names[client.queue] : nil)
                    json.member("cursor", client.cursor)
                }
                return true
            }
            if isDamaged, salvage.isStrict { throw .damaged("a client of user \(user.name)") }
        }
    }

    private func nextMessage(
        of queue: UInt64, after id: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> UInt64? {
        var next: UInt64?
        try tables.messages.scan(of: queue, from: id + 1, to: .max, in: transaction) { key, _ in
            next = key.number
            return false
        }
        return next
    }

    /// The log record of a queue, rebuilt from the queue's messages because it is damaged.
    private func rebuiltLog(of queue: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> QueueLog {
        var first: UInt64?
        var last: UInt64 = 0
        try tables.messages.scan(of: queue, from: 0, to: .max, in: transaction) { key, _ in
            first = first ?? key.number
            last = key.number
            return true
        }
        // A client that has not read up to the first remaining message has lost messages.
        let start = first ?? (last + 1)
        return QueueLog(current: last, first: start, lost: start - 1)
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
