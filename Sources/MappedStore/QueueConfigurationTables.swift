package import Gateway
internal import LMDB
package import Queues

/// How a configuration is put in force: what differs is written, all else stays.
extension MappedStore {
    /// Bytes that a configuration may add to the file.
    static func sizeEstimate(_ configuration: QueueConfiguration) -> Int {
        // Three records for each queue, one for each user, one for each right; pages are half full at the worst.
        let queues = configuration.queues.reduce(0) { $0 + 300 + $1.name.utf8.count + 20 * $1.allowedNetworks.count }
        return 2 * configuration.users.reduce(queues) { $0 + 300 + $1.name.utf8.count + 40 * $1.queues.count }
    }

    func apply(_ configuration: QueueConfiguration, in transaction: inout Transaction) throws(LMDBError) {
        var state = try queueState(in: transaction)
        let numbers = try applyQueues(configuration.queues, &state, in: &transaction)
        try applyUsers(configuration.users, numbers, &state, in: &transaction)
        state.isConfigured = true
        try put(state, in: &transaction)
    }

    /// Returns the queues' numbers by name, in UTF-8: Swift takes texts for equal that only look the same.
    private func applyQueues(
        _ queues: [QueueSettings], _ state: inout QueueState, in transaction: inout Transaction
    ) throws(LMDBError) -> [[UInt8]: UInt64] {
        let before = try queuesInForce(in: transaction)
        var numbers: [[UInt8]: UInt64] = [:]
        for settings in queues {
            let name = Array(settings.name.utf8)
            if let queue = before[name] {
                numbers[name] = queue.number
                guard queue.settings != settings else { continue }
                try tables.queues.put(QueueSettingsRecord.encode(settings), at: key(queue.number), in: &transaction)
            } else {
                let number = state.nextQueue
                state.nextQueue += 1
                numbers[name] = number
                try create(Queue(number: number, settings: settings), QueueLog(), in: &transaction)
            }
        }
        for (name, queue) in before where numbers[name] == nil {
            try tables.queueNames.remove(nameKey(queue.settings.name), in: &transaction)
            try tables.queues.remove(key(queue.number), in: &transaction)
            try tables.queueLogs.remove(key(queue.number), in: &transaction)
            try put(.messages(queue: queue.number), in: &transaction)
        }
        return numbers
    }

    func create(_ queue: Queue, _ log: QueueLog, in transaction: inout Transaction) throws(LMDBError) {
        let number = queue.number
        try tables.queueNames.put(key(number), at: nameKey(queue.settings.name), in: &transaction)
        try tables.queues.put(QueueSettingsRecord.encode(queue.settings), at: key(number), in: &transaction)
        try put(log, of: number, in: &transaction)
    }

    private func applyUsers(
        _ users: [QueueConfiguration.User], _ numbers: [[UInt8]: UInt64], _ state: inout QueueState,
        in transaction: inout Transaction
    ) throws(LMDBError) {
        var gone = try usersInForce(in: transaction)
        for entry in users {
            let before = gone.removeValue(forKey: Array(entry.name.utf8))
            let user = User(
                number: before?.number ?? state.nextUser, name: entry.name, hash: entry.hash, mayReload: entry.mayReload
            )
            if before == nil { state.nextUser += 1 }
            if user != before {
                try tables.users.put(UserRecord.encode(user), at: nameKey(user.name), in: &transaction)
            }
            var wanted = Set(entry.queues.compactMap { numbers[Array($0.utf8)] })
            for (queue, _) in try rights(of: user.number, in: transaction) where wanted.remove(queue) == nil {
                try tables.rights.remove(key(user.number, queue), in: &transaction)
            }
            for queue in wanted.sorted() {
                try tables.rights.put(key(state.nextRight), at: key(user.number, queue), in: &transaction)
                state.nextRight += 1
            }
        }
        for user in gone.values {
            for (queue, _) in try rights(of: user.number, in: transaction) {
                try tables.rights.remove(key(user.number, queue), in: &transaction)
            }
            try tables.users.remove(nameKey(user.name), in: &transaction)
            try put(.clients(user: user.number), in: &transaction)
        }
    }

    // MARK: What is in force

    func queuesInForce(in transaction: borrowing Transaction) throws(LMDBError) -> [[UInt8]: Queue] {
        var queues: [[UInt8]: Queue] = [:]
        var isDamaged = false
        try tables.queues.scan(in: transaction) { key, record in
            var reader = ByteReader(key)
            guard let number = reader.fixed(), let settings = QueueSettingsRecord.decode(record) else {
                isDamaged = true
                return false
            }
            queues[Array(settings.name.utf8)] = Queue(number: number, settings: settings)
            return true
        }
        if isDamaged { throw .damaged("a queue's settings") }
        return queues
    }

    func usersInForce(in transaction: borrowing Transaction) throws(LMDBError) -> [[UInt8]: User] {
        var users: [[UInt8]: User] = [:]
        var isDamaged = false
        try tables.users.scan(in: transaction) { _, record in
            guard let user = UserRecord.decode(record) else {
                isDamaged = true
                return false
            }
            users[Array(user.name.utf8)] = user
            return true
        }
        if isDamaged { throw .damaged("a user") }
        return users
    }

    /// The queues that a user may listen to, by number, and the numbers of these rights.
    func rights(
        of user: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [(queue: UInt64, right: UInt64)] {
        var found: [(UInt64, UInt64)] = []
        var isDamaged = false
        try tables.rights.scan(from: key(user), in: transaction) { key, value in
            var reader = ByteReader(key)
            var right = ByteReader(value)
            guard reader.fixed() == user else { return false }
            guard let queue = reader.fixed(), let right = right.fixed() else {
                isDamaged = true
                return false
            }
            found.append((queue, right))
            return true
        }
        if isDamaged { throw .damaged("a user's right") }
        return found
    }

    // MARK: Overviews

    /// Queues by their numbers, in the order of their names.
    func queueEntries(
        _ numbers: [UInt64], in transaction: borrowing Transaction
    ) throws(LMDBError) -> [QueueOverview.QueueEntry] {
        var entries: [QueueOverview.QueueEntry] = []
        for number in numbers {
            guard let settings = try queueSettings(number, in: transaction),
                let log = try queueLog(number, in: transaction)
            else { continue }
            let oldest = try messages(of: number, after: log.first - 1, limit: 1, in: transaction).first
            entries.append(
                QueueOverview.QueueEntry(name: settings.name, log: log, oldest: oldest?.message.receivedAt))
        }
        return entries.sorted { $0.name < $1.name }
    }

    func clientEntries(
        of user: UInt64, after start: [UInt8], limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (clients: [QueueOverview.ClientEntry], next: [UInt8]?) {
        var records: [ClientRecord] = []
        var last: [UInt8] = []
        var next: [UInt8]?
        var isDamaged = false
        try scanClients(of: user, after: start, in: transaction) { key, value in
            guard records.count < limit else {
                next = last
                return false
            }
            guard let record = ClientRecord(value) else {
                isDamaged = true
                return false
            }
            records.append(record)
            last = copy(key.extracting(droppingFirst: 8))
            return true
        }
        if isDamaged { throw .damaged("a client") }
        var clients: [QueueOverview.ClientEntry] = []
        for record in records {
            let log = try log(of: record, of: user, in: transaction)
            clients.append(
                QueueOverview.ClientEntry(
                    name: record.name, queue: try queueSettings(record.queue, in: transaction)?.name,
                    isConnected: log != nil, cursor: record.cursor,
                    lag: log.map { $0.current - min($0.current, record.cursor) }))
        }
        return (clients, next)
    }
}

extension MappedStore {
    /// Every queue that is in force, by name, and how many clients follow each.
    package func allQueues() throws(StoreFailure) -> [(entry: QueueOverview.QueueEntry, clients: Int)] {
        try read { (transaction) throws(LMDBError) in
            let queues = try queuesInForce(in: transaction)
            var counts: [UInt64: Int] = [:]
            for user in try usersInForce(in: transaction).values {
                let rights = Dictionary(uniqueKeysWithValues: try rights(of: user.number, in: transaction))
                try scanClients(of: user.number, in: transaction) { _, value in
                    if let client = ClientRecord(value), rights[client.queue] == client.right {
                        counts[client.queue, default: 0] += 1
                    }
                    return true
                }
            }
            return try queueEntries(queues.values.map(\.number), in: transaction).map { entry in
                (entry, queues[Array(entry.name.utf8)].flatMap { counts[$0.number] } ?? 0)
            }
        }
    }
}
