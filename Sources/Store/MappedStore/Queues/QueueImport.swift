internal import Cryptography
internal import HTTP
internal import JSON
internal import LMDB
internal import Linux
internal import Queues
internal import Storage
internal import Values

/// Imports queues, each followed by its messages, then users, each followed by its clients.
struct QueueImporter {
    let store: MappedQueues
    let moment: Moment
    /// The queue whose messages are being read. Its log record is written when the next one begins, or at the end.
    private var current: (queue: Queue, log: QueueLog, last: UInt64)?
    private var user: User?

    init(store: MappedQueues, moment: Moment) {
        self.store = store
        self.moment = moment
    }

    mutating func queue(_ line: ImportLine, _ counts: inout ImportCounts) throws(ImportError) {
        try finish(line)
        let settings = try settings(line)
        let (last, lost) = (try line.count("current_message"), try line.count("lost"))
        let first = try line.count("first")
        guard last < UInt64(Int64.max), lost <= last, (1...last + 1).contains(first), first - 1 <= lost else {
            throw line.fault("\"first\", \"lost\" and \"current_message\" contradict each other")
        }
        let log = QueueLog(current: last, first: first, lost: lost)
        let moment = self.moment
        let number = try line.write { (transaction) throws(LMDBError) -> UInt64? in
            guard try store.queueNumber(settings.name, in: transaction) == nil else { return nil }
            var state = try store.queueState(in: transaction)
            let number = state.nextQueue
            state.nextQueue += 1
            state.isConfigured = true
            // This store may lack messages that clients have seen in the one before it: its time must be no earlier than
            // now.
            state.time = max(state.time, UInt64(max(0, moment.wall.microseconds / 1_000_000)))
            try store.put(state, in: &transaction)
            try store.create(Queue(number: number, settings: settings), log, in: &transaction)
            return number
        }
        guard let number else { throw line.fault("duplicate queue") }
        current = (Queue(number: number, settings: settings), log, log.first - min(log.first, 1))
        counts.queues += 1
    }

    private func settings(_ line: ImportLine) throws(ImportError) -> QueueSettings {
        var settings = QueueSettings(
            name: try line.text("name"),
            limits: QueueLimits(
                messageCount: try line.count("max_message_count"), messageBytes: try line.count("max_message_size"),
                queueBytes: try line.count("max_queue_size")))
        for entry in try line.list("whitelist_ip") {
            guard let network = entry.string.flatMap({ IPNetwork($0) }) else {
                throw line.fault("\"whitelist_ip\" has an entry that is not a network")
            }
            settings.allowedNetworks.append(network)
        }
        guard let auth = line.json["auth"], auth != .null else { return settings }
        let method = (auth["method"]?.string ?? "").split(separator: "-").map(String.init)
        guard method.count == 2, let process = SenderAuthentication.Process(rawValue: method[0]),
            let algorithm = DigestAlgorithm(rawValue: method[1])
        else { throw line.fault("\"auth\" has an unknown method") }
        settings.authentication = SenderAuthentication(
            process: process, algorithm: algorithm, key: try line.bytes("key", in: auth),
            headerName: auth["header_name"]?.string)
        return settings
    }

    mutating func message(_ line: ImportLine, _ counts: inout ImportCounts) throws(ImportError) {
        guard var current, let name = line.json["queue"]?.string,
            Array(name.utf8) == Array(current.queue.settings.name.utf8)
        else { throw line.fault("the message does not follow its queue") }
        let id = try line.count("id")
        guard id > current.last, id <= current.log.current else {
            throw line.fault("\"id\" is out of order, or greater than \"current_message\"")
        }
        guard let body = try line.bytes("body") else { throw line.fault("\"body\" is missing") }
        let record = Encoded<MessageRecord>(Message(body: body, receivedAt: try line.time("receivedAt")))
        current.last = id
        current.log.restore(bytes: body.count)
        let queue = current.queue.number
        try line.write { (transaction) throws(LMDBError) in
            try store.tables.messages.put(record, of: queue, at: id, in: &transaction)
        }
        self.current = current
        counts.messages += 1
    }

    /// Writes the log record of the current queue once all its messages have been read.
    mutating func finish(_ line: ImportLine) throws(ImportError) {
        guard let (queue, log, _) = current else { return }
        current = nil
        try line.write { (transaction) throws(LMDBError) in
            _ = try store.core.lowestNumber(after: log.current, in: &transaction)
            try store.put(log, of: queue.number, in: &transaction)
        }
    }

    mutating func user(_ line: ImportLine) throws(ImportError) {
        try finish(line)
        let name = try line.text("name")
        guard let hash = PasswordHash(try line.text("pass_hash")) else {
            throw line.fault("\"pass_hash\" is not a hash")
        }
        let mayReload = try line.bool("can_reload")
        let names = try line.texts("queues")
        let user = try line.write { (transaction) throws(LMDBError) -> User? in
            guard try store.user(name, in: transaction) == nil else { return nil }
            var state = try store.queueState(in: transaction)
            let user = User(number: state.nextUser, name: name, hash: hash, mayReload: mayReload)
            state.nextUser += 1
            state.isConfigured = true
            for name in names {
                guard let queue = try store.queueNumber(name, in: transaction) else { continue }
                try store.tables.rights.put(state.nextRight, at: OwnedNumber(user.number, queue), in: &transaction)
                state.nextRight += 1
            }
            try store.put(state, in: &transaction)
            try store.tables.users.put(user, at: NameDigest(name), in: &transaction)
            return user
        }
        guard let user else { throw line.fault("duplicate user") }
        self.user = user
    }

    func client(_ line: ImportLine) throws(ImportError) {
        guard let user, let owner = line.json["user"]?.string, Array(owner.utf8) == Array(user.name.utf8) else {
            throw line.fault("the client does not follow its user")
        }
        let (name, cursor) = (try line.text("name"), try line.count("cursor"))
        let queue = line.json["queue"]?.string
        try line.write { (transaction) throws(LMDBError) in
            // No queue has the number 0: the client is disconnected.
            var record = ClientRecord(name: name, queue: 0, right: 0, cursor: cursor)
            if let queue, let number = try store.queueNumber(queue, in: transaction),
                let right = try store.right(of: user.number, to: number, in: transaction),
                let log = try store.queueLog(number, in: transaction)
            {
                record = ClientRecord(name: name, queue: number, right: right, cursor: min(cursor, log.current))
            }
            try store.put(record, of: user.number, in: &transaction)
        }
    }
}
