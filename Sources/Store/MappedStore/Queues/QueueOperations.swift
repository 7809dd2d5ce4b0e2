package import HTTP
internal import LMDB
package import Queues
package import Values

extension MappedQueues: QueueStore {
    package func time() throws(StoreFailure) -> UInt64 {
        try read { (transaction) throws(LMDBError) in try queueState(in: transaction).time }
    }

    // MARK: Messages

    package func queue(named name: String) throws(StoreFailure) -> Queue? {
        try read(of: "queue \(name)") { (transaction) throws(LMDBError) in
            guard let number = try queueNumber(name, in: transaction),
                let settings = try queueSettings(number, in: transaction)
            else { return nil }
            return Queue(number: number, settings: settings)
        }
    }

    package func current(_ queue: Queue) throws(StoreFailure) -> Queue? {
        try write { (transaction) throws(LMDBError) in
            try queueSettings(queue.number, in: transaction).map { Queue(number: queue.number, settings: $0) }
        }
    }

    package func post(_ message: Message, to queue: Queue, for request: RequestID?) throws(StoreFailure) -> Bool {
        try growing(of: "queue \(queue.settings.name)") { (transaction) throws(LMDBError) in
            if try outcome(of: request, in: transaction) == .stored { return true }
            guard var log = try queueLog(queue.number, in: transaction),
                try queueSettings(queue.number, in: transaction) == queue.settings
            else { return false }
            let record = Encoded<MessageRecord>(message)
            guard try admit(bytes: record.byteCount, in: &transaction) else { return nil }
            let id = log.append(
                bytes: message.body.count, from: try core.lowestNumber(after: log.current, in: &transaction))
            try tables.messages.put(record, of: queue.number, at: id, in: &transaction)
            try trim(&log, of: queue, in: &transaction)
            try put(log, of: queue.number, in: &transaction)
            try remember(.stored, of: request, in: &transaction)
            return true
        }
    }

    @discardableResult
    package func skip(in queue: Queue, for request: RequestID?) throws(StoreFailure) -> Bool {
        try growing(of: "queue \(queue.settings.name)") { (transaction) throws(LMDBError) -> Bool? in
            if try outcome(of: request, in: transaction) != nil { return true }
            guard var log = try queueLog(queue.number, in: transaction),
                try queueSettings(queue.number, in: transaction) == queue.settings
            else { return false }
            guard try admit(bytes: 64, in: &transaction) else { return nil }
            log.skip(from: try core.lowestNumber(after: log.current, in: &transaction))
            try put(log, of: queue.number, in: &transaction)
            try remember(.done, of: request, in: &transaction)
            return true
        }
    }

    private func isRemembered(_ request: RequestID?) throws(StoreFailure) -> Bool {
        guard let request else { return false }
        return try read { (transaction) throws(LMDBError) in
            try outcome(of: request, in: transaction) != nil
        }
    }

    // MARK: Clients

    package func user(named name: String) throws(StoreFailure) -> User? {
        try read(of: "user \(name)") { (transaction) throws(LMDBError) in try user(name, in: transaction) }
    }

    package func current(userNamed name: String) throws(StoreFailure) -> User? {
        try write(of: "user \(name)") { (transaction) throws(LMDBError) in try user(name, in: transaction) }
    }

    package func listen(
        _ client: String, of user: User, to queue: String, for request: RequestID?
    ) throws(StoreFailure) -> Listening {
        try growing(of: "client \(client) of user \(user.name), queue \(queue)") { (transaction) throws(LMDBError) in
            if try outcome(of: request, in: transaction) == .done { return .listening }
            guard let number = try queueNumber(queue, in: transaction),
                let right = try right(of: user.number, to: number, in: transaction),
                let log = try queueLog(number, in: transaction)
            else { return .unknownQueue }
            if let found = try self.client(client, of: user.number, in: transaction),
                try self.log(of: found, of: user.number, in: transaction) != nil
            {
                return .inUse
            }
            guard try admit(bytes: 64 + client.utf8.count, in: &transaction) else { return nil }
            let record = ClientRecord(name: client, queue: number, right: right, cursor: log.current)
            try put(record, of: user.number, in: &transaction)
            try remember(.done, of: request, in: &transaction)
            return .listening
        }
    }

    package func unlisten(_ client: String, of user: User, for request: RequestID?) throws(StoreFailure) -> Bool {
        try write(of: "client \(client) of user \(user.name)") { (transaction) throws(LMDBError) in
            if try outcome(of: request, in: transaction) == .done { return true }
            guard try tables.clients.remove(ClientKey(user.number, client), in: &transaction) else {
                return false
            }
            try remember(.done, of: request, in: &transaction)
            return true
        }
    }

    /// Names a client and, if it can be read, its queue.
    private func subject(_ client: String, _ user: User) -> String {
        let queue = try? core.read { (transaction) throws(LMDBError) -> String in
            let number = try self.client(client, of: user.number, in: transaction)?.queue
            let name = try number.flatMap { number throws(LMDBError) in
                try queueSettings(number, in: transaction)?.name
            }
            return name.map { ", queue \($0)" } ?? ""
        }
        return "client \(client) of user \(user.name)" + (queue ?? "")
    }

    package func read(
        _ client: String, of user: User, _ how: Reading, for request: RequestID?
    ) throws(StoreFailure) -> ReadOutcome {
        // If there is nothing new, nothing is written.
        if try !isRemembered(request) {
            let found = try read(of: subject(client, user)) { (transaction) throws(LMDBError) -> ReadOutcome? in
                try peek(client, of: user.number, how, for: request, in: transaction)
            }
            if let found { return found }
        }
        return try write(of: subject(client, user)) { (transaction) throws(LMDBError) in
            if let found = try peek(client, of: user.number, how, for: request, in: transaction) { return found }
            guard var record = try self.client(client, of: user.number, in: transaction),
                let log = try log(of: record, of: user.number, in: transaction)
            else { throw .damaged("a client's cursor") }
            let cursor = record.cursor
            var outcome = ReadOutcome.lost(current: log.current)
            record.cursor = log.current
            var end = cursor
            if log.standing(of: cursor) == .behind {
                let range = try range(of: record.queue, after: cursor, limit: how.limit, in: transaction)
                outcome = try readOutcome(of: range, current: log.current, how, in: transaction)
                guard outcome != .tooLong else { return outcome }
                record.cursor = range.last
                end = range.last
            }
            try put(record, of: user.number, in: &transaction)
            try remember(.read(queue: record.queue, cursor: cursor, end: end), of: request, in: &transaction)
            return outcome
        }
    }

    package func page(
        of range: MessageRange, after id: UInt64, atMost limit: Int
    ) throws(StoreFailure) -> [MessagePiece]? {
        try read { (transaction) throws(LMDBError) in
            // Messages that have rolled off may be there still, or not: in both cases the client must learn of the loss.
            guard let log = try queueLog(range.queue, in: transaction), log.first <= id + 1 else { return nil }
            var found: [MessagePiece] = []
            var bytes = 0
            var damaged: [UInt64] = []
            try tables.messages.scan(of: range.queue, from: id + 1, to: range.last + 1, in: transaction) {
                key, record in
                guard bytes < limit else { return false }
                guard let piece = MessageRecord.decode(record, bodyLimit: limit - bytes) else {
                    damaged.append(key.number)
                    return true
                }
                bytes += 64 + piece.message.body.count
                found.append(
                    MessagePiece(
                        numbered: NumberedMessage(id: key.number, message: piece.message), bodyBytes: piece.bodyBytes))
                return true
            }
            for id in damaged { noteDamage("a message's record is damaged: number \(id)") }
            return found
        }
    }

    package func body(of range: MessageRange, at id: UInt64, bytes: Range<Int>) throws(StoreFailure) -> [UInt8]? {
        try read { (transaction) throws(LMDBError) in
            try tables.messages.table.part(at: OwnedNumber(range.queue, id), in: transaction) {
                MessageRecord.body(of: $0, bytes)
            }
        }
    }

    package func takeBack(_ range: MessageRange, of client: String, _ user: User) throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            guard var record = try self.client(client, of: user.number, in: transaction),
                record.queue == range.queue, record.cursor == range.last
            else { return }
            record.cursor = range.after
            try put(record, of: user.number, in: &transaction)
        }
    }

    /// The messages of a range if they are short enough to be read at once; otherwise `.long` or `.tooLong`.
    private func readOutcome(
        of range: MessageRange, current: UInt64, _ how: Reading, in transaction: borrowing Transaction
    ) throws(LMDBError) -> ReadOutcome {
        var bytes = 0
        try tables.messages.scan(of: range.queue, from: range.after + 1, to: range.last + 1, in: transaction) {
            _, record in
            bytes += record.byteCount
            return bytes <= ReadOutcome.shortBytes
        }
        guard bytes <= ReadOutcome.shortBytes else {
            return how.mayBeLong ? ReadOutcome.long(range, current: current) : ReadOutcome.tooLong
        }
        let messages = try messages(
            of: range.queue, after: range.after, to: range.last + 1, limit: .max, in: transaction)
        return .messages(messages, current: current)
    }

    /// The outcome of a read that does not move the cursor; `nil` if the cursor must be moved.
    private func peek(
        _ client: String, of user: UInt64, _ how: Reading, for request: RequestID?,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> ReadOutcome? {
        guard let record = try self.client(client, of: user, in: transaction) else { return .unknownClient }
        guard let log = try log(of: record, of: user, in: transaction) else { return .disconnected }
        if case .read(let queue, let cursor, let end) = try outcome(of: request, in: transaction) {
            // A retry of a read returns the messages of the first attempt, unless they have rolled off meanwhile.
            guard end > cursor, queue == record.queue, log.first <= cursor + 1 else {
                return .lost(current: log.current)
            }
            let range = MessageRange(queue: queue, after: cursor, last: end)
            return try readOutcome(of: range, current: log.current, how, in: transaction)
        }
        switch log.standing(of: record.cursor) {
        case .upToDate: return .messages([], current: log.current)
        case .behind where how.isManual:
            let range = try range(of: record.queue, after: record.cursor, limit: how.limit, in: transaction)
            return try readOutcome(of: range, current: log.current, how, in: transaction)
        case .lost where how.isManual: return .lost(current: log.current)
        case .behind, .lost: return nil
        }
    }

    package func hasNews(for clients: [(name: String, user: User)]) throws(StoreFailure) -> [Bool] {
        var news: [Bool] = []
        for (name, user) in clients {
            do throws(StoreFailure) {
                let isNew = try read(of: subject(name, user)) { (transaction) throws(LMDBError) in
                    guard let record = try self.client(name, of: user.number, in: transaction),
                        let log = try log(of: record, of: user.number, in: transaction)
                    else { return true }
                    return log.standing(of: record.cursor) != .upToDate
                }
                news.append(isNew)
            } catch {
                // A client that waits for a damaged record gets the error when it reads.
                news.append(true)
            }
        }
        return news
    }

    package func acknowledge(
        through id: UInt64, by client: String, of user: User
    ) throws(StoreFailure) -> Acknowledgement {
        try write(of: subject(client, user)) { (transaction) throws(LMDBError) in
            guard var record = try self.client(client, of: user.number, in: transaction) else { return .unknownClient }
            guard let log = try log(of: record, of: user.number, in: transaction) else { return .disconnected }
            guard id <= log.current else { return .unknownMessage }
            guard id > record.cursor else { return .done }
            record.cursor = id
            try put(record, of: user.number, in: &transaction)
            return .done
        }
    }

    package func overview(
        of user: User, after key: [UInt8], limit: Int
    ) throws(StoreFailure) -> QueueOverview {
        try read(of: "queues and clients of user \(user.name)") { (transaction) throws(LMDBError) in
            let queues = try queueEntries(try rights(of: user.number, in: transaction).map(\.queue), in: transaction)
            let (clients, next) = try clientEntries(of: user.number, after: key, limit: limit, in: transaction)
            return QueueOverview(queues: queues, clients: clients, next: next)
        }
    }

    // MARK: Configuration

    package func configurationRevision() throws(StoreFailure) -> UInt64 {
        try read { (transaction) throws(LMDBError) in try queueRevision(in: transaction) }
    }

    package func configure(
        _ configuration: QueueConfiguration, since known: UInt64?, for request: RequestID?
    ) throws(StoreFailure) -> Bool {
        // Find the differences first, before other processes have to wait for the write lock.
        let (prepared, revision) = try read { (transaction) throws(LMDBError) in
            (try ConfigurationChange(to: configuration, self, in: transaction), try queueRevision(in: transaction))
        }
        return try growing { (transaction) throws(LMDBError) -> Bool? in
            let current = try queueRevision(in: transaction)
            if let known, known != current { return false }
            // Another request may have changed the configuration in force meanwhile.
            let change =
                current == revision ? prepared : try ConfigurationChange(to: configuration, self, in: transaction)
            if change.growth > 0, try !admit(change, in: &transaction) { return nil }
            if !change.isEmpty {
                try apply(change, in: &transaction)
                try bumpQueueRevision(in: &transaction)
            }
            try remember(.done, of: request, in: &transaction)
            return true
        }
    }

    package func setPassword(
        of user: String, to hash: PasswordHash, by login: User?, for request: RequestID?
    ) throws(StoreFailure) -> Bool {
        try write(of: "user \(user)") { (transaction) throws(LMDBError) in
            let current = try self.user(user, in: transaction)
            // If this is a retry, the first attempt may have set this very hash.
            if let login, current?.number != login.number || current?.hash != login.hash && current?.hash != hash {
                return false
            }
            if var current {
                current.hash = hash
                try tables.users.put(current, at: NameDigest(user), in: &transaction)
                try bumpQueueRevision(in: &transaction)
            }
            try remember(.done, of: request, in: &transaction)
            return true
        }
    }

    package func hasConfigured(_ request: RequestID?) throws(StoreFailure) -> Bool {
        guard try isRemembered(request) else { return false }
        // Use a write transaction, so that the answer waits until what the first attempt wrote is durable.
        return try write { (transaction) throws(LMDBError) in
            try outcome(of: request, in: transaction) == .done
        }
    }

    /// Whether a configuration was ever put in force.
    package func isConfigured() throws(StoreFailure) -> Bool {
        try read { (transaction) throws(LMDBError) in try queueState(in: transaction).isConfigured }
    }
}
