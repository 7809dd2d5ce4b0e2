internal import HTTP
internal import LMDB
package import Queues
internal import Storage
package import Values

/// The difference between a configuration and the one in force.
struct ConfigurationChange {
    /// Queues that are new or have other settings.
    private(set) var queues: [Queue] = []
    private(set) var newQueues: Set<UInt64> = []
    private(set) var goneQueues: [Queue] = []
    /// Users who are new or have changed.
    private(set) var users: [User] = []
    private(set) var goneUsers: [User] = []
    /// By user and queue.
    private(set) var newRights: [(user: UInt64, queue: UInt64)] = []
    private(set) var goneRights: [(user: UInt64, queue: UInt64)] = []
    private(set) var state: QueueState
    /// Bytes by which the change may grow the file.
    private(set) var growth = 0

    /// Whether the configuration is in force already.
    var isEmpty: Bool {
        queues.isEmpty && goneQueues.isEmpty && users.isEmpty && goneUsers.isEmpty && newRights.isEmpty
            && goneRights.isEmpty && state.isConfigured
    }

    init(
        to configuration: QueueConfiguration, _ store: MappedQueues, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        state = try store.queueState(in: transaction)
        let numbers = compareQueues(configuration.queues, try store.queuesInForce(in: transaction))
        var gone = try store.usersInForce(in: transaction)
        for entry in configuration.users {
            let before = gone.removeValue(forKey: Array(entry.name.utf8))
            let rights = try before.map { user throws(LMDBError) in try store.rights(of: user.number, in: transaction) }
            compareUser(entry, before, Set((rights ?? []).map(\.queue)), numbers)
        }
        for user in gone.values {
            goneUsers.append(user)
            goneRights += try store.rights(of: user.number, in: transaction).map { (user.number, $0.queue) }
        }
    }

    /// Returns the queues' numbers by name. Names are compared as UTF-8 bytes: Swift's `String` treats canonically
    /// equivalent texts as equal.
    private mutating func compareQueues(
        _ queues: [QueueSettings], _ before: [[UInt8]: Queue]
    ) -> [[UInt8]: UInt64] {
        var numbers: [[UInt8]: UInt64] = [:]
        for settings in queues {
            let name = Array(settings.name.utf8)
            let known = before[name]
            let queue = Queue(number: known?.number ?? state.nextQueue, settings: settings)
            numbers[name] = queue.number
            guard queue != known else { continue }
            self.queues.append(queue)
            // A new queue needs three records, and pages may be only half full.
            growth += 2 * (300 + QueueSettingsRecord.encode(settings).count)
            guard known == nil else { continue }
            state.nextQueue += 1
            newQueues.insert(queue.number)
        }
        goneQueues = before.filter { numbers[$0.key] == nil }.map(\.value)
        return numbers
    }

    private mutating func compareUser(
        _ entry: QueueConfiguration.User, _ before: User?, _ rights: Set<UInt64>, _ numbers: [[UInt8]: UInt64]
    ) {
        let user = User(
            number: before?.number ?? state.nextUser, name: entry.name, hash: entry.hash, mayReload: entry.mayReload)
        if before == nil { state.nextUser += 1 }
        if user != before {
            users.append(user)
            growth += 2 * (64 + UserRecord.encode(user).count)
        }
        let wanted = Set(entry.queues.compactMap { numbers[Array($0.utf8)] })
        goneRights += rights.subtracting(wanted).map { (user.number, $0) }
        let added = wanted.subtracting(rights).sorted()
        newRights += added.map { (user.number, $0) }
        growth += 80 * added.count
    }
}

/// Puts a configuration in force: writes what differs and leaves the rest.
extension MappedQueues {
    /// Removing queues and lowering limits makes room: a configuration that adds no more queues than it removes may use the
    /// last of the room.
    func admit(_ change: ConfigurationChange, in transaction: inout Transaction) throws(LMDBError) -> Bool {
        let leaving = change.newQueues.count > change.goneQueues.count ? DiskReserve.deliveryBytes : 0
        return try admit(bytes: change.growth, largest: 4096, leaving: leaving, in: &transaction)
    }

    func apply(_ change: ConfigurationChange, in transaction: inout Transaction) throws(LMDBError) {
        for queue in change.queues {
            if change.newQueues.contains(queue.number) {
                try create(queue, QueueLog(), in: &transaction)
            } else {
                try tables.queues.put(queue.settings, at: queue.number, in: &transaction)
            }
        }
        for queue in change.goneQueues {
            try tables.queueNames.remove(NameDigest(queue.settings.name), in: &transaction)
            try tables.queues.remove(queue.number, in: &transaction)
            try tables.queueLogs.remove(queue.number, in: &transaction)
            try core.put(.messages(queue: queue.number), in: &transaction)
        }
        for user in change.users {
            try tables.users.put(user, at: NameDigest(user.name), in: &transaction)
        }
        for user in change.goneUsers {
            try tables.users.remove(NameDigest(user.name), in: &transaction)
            try core.put(.clients(user: user.number), in: &transaction)
        }
        for (user, queue) in change.goneRights { try tables.rights.remove(OwnedNumber(user, queue), in: &transaction) }
        var state = change.state
        for (user, queue) in change.newRights {
            try tables.rights.put(state.nextRight, at: OwnedNumber(user, queue), in: &transaction)
            state.nextRight += 1
        }
        state.isConfigured = true
        // Compare with the record itself: a state that is made anew counts what was just written.
        if try tables.queueState.readable(in: transaction) != state { try put(state, in: &transaction) }
    }

    func create(_ queue: Queue, _ log: QueueLog, in transaction: inout Transaction) throws(LMDBError) {
        let number = queue.number
        try tables.queueNames.put(number, at: NameDigest(queue.settings.name), in: &transaction)
        try tables.queues.put(queue.settings, at: number, in: &transaction)
        try put(log, of: number, in: &transaction)
    }

    // MARK: The configuration in force

    /// - Parameter spares: whether damaged records are left out; otherwise they are an error.
    func queuesInForce(
        sparing spares: Bool = false, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [[UInt8]: Queue] {
        var queues: [[UInt8]: Queue] = [:]
        var isDamaged = false
        func noteDamaged() { isDamaged = true }
        try tables.queues.scan(in: transaction, unreadable: noteDamaged) { number, settings in
            guard let settings else {
                isDamaged = true
                return spares
            }
            queues[Array(settings.name.utf8)] = Queue(number: number, settings: settings)
            return true
        }
        if isDamaged, !spares { throw .damaged(QueueSettingsRecord.name) }
        if isDamaged { noteDamage("a queue's settings are damaged") }
        return queues
    }

    /// - Parameter spares: whether damaged records are left out; otherwise they are an error.
    func usersInForce(
        sparing spares: Bool = false, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [[UInt8]: User] {
        var users: [[UInt8]: User] = [:]
        var isDamaged = false
        func noteDamaged() { isDamaged = true }
        try tables.users.scan(in: transaction, unreadable: noteDamaged) { _, user in
            guard let user else {
                isDamaged = true
                return spares
            }
            users[Array(user.name.utf8)] = user
            return true
        }
        if isDamaged, !spares { throw .damaged(UserRecord.name) }
        if isDamaged { noteDamage("a user's record is damaged") }
        return users
    }

    /// The queues that a user may listen to, by number, and the numbers of these rights.
    func rights(
        of user: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [(queue: UInt64, right: UInt64)] {
        var found: [(UInt64, UInt64)] = []
        var isDamaged = false
        try tables.rights.scan(from: OwnedNumber(user, 0), in: transaction) { key, right in
            guard key.owner == user else { return false }
            guard let right else {
                isDamaged = true
                return false
            }
            found.append((key.number, right))
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
            var name = "number \(number)"
            let entry = try sparing("queue \(name)") { () throws(LMDBError) -> QueueOverview.QueueEntry? in
                guard let settings = try queueSettings(number, in: transaction) else { return nil }
                name = settings.name
                guard let log = try queueLog(number, in: transaction) else { return nil }
                return QueueOverview.QueueEntry(
                    settings: settings, log: log,
                    oldest: try received(after: log.first - 1, of: number, in: transaction),
                    newest: try newestReceived(of: number, log, in: transaction))
            }
            if let entry { entries.append(entry) }
        }
        return entries.sorted { $0.name < $1.name }
    }

    func clientEntries(
        of user: UInt64, after start: [UInt8], limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (clients: [QueueOverview.ClientEntry], next: [UInt8]?) {
        var records: [ClientRecord] = []
        var last: [UInt8] = []
        var next: [UInt8]?
        try scanClients(of: user, after: start, in: transaction) { key, record in
            guard records.count < limit else {
                next = last
                return false
            }
            guard let record else {
                noteDamage("a client of user number \(user) is damaged")
                return true
            }
            records.append(record)
            last = key.name.bytes
            return true
        }
        var clients: [QueueOverview.ClientEntry] = []
        for record in records {
            let subject = "client \(record.name) of user number \(user)"
            let log = try sparing(subject) { () throws(LMDBError) -> QueueLog? in
                try self.log(of: record, of: user, in: transaction)
            }
            let queue = try sparing(subject) { () throws(LMDBError) -> String? in
                try queueSettings(record.queue, in: transaction)?.name
            }
            let standing = log?.standing(of: record.cursor)
            let oldestUnread = try sparing(subject) { () throws(LMDBError) -> Timestamp? in
                guard let log, standing != .upToDate else { return nil }
                return try received(after: max(record.cursor, log.first - 1), of: record.queue, in: transaction)
            }
            clients.append(
                QueueOverview.ClientEntry(
                    name: record.name, queue: queue,
                    isConnected: log != nil, cursor: record.cursor,
                    lag: log.map { $0.lag(of: record.cursor) }, oldestUnread: oldestUnread,
                    hasLost: standing == .lost))
        }
        return (clients, next)
    }
}

extension MappedQueues: QueueAdministration {
    /// Every queue in force, in the order of their names, with the number of clients that follow it.
    package func allQueues() throws(StoreFailure) -> [(entry: QueueOverview.QueueEntry, clients: Int)] {
        try read { (transaction) throws(LMDBError) in
            let queues = try queuesInForce(sparing: true, in: transaction)
            var counts: [UInt64: Int] = [:]
            for user in try usersInForce(sparing: true, in: transaction).values {
                let rights = Dictionary(uniqueKeysWithValues: try rights(of: user.number, in: transaction))
                try scanClients(of: user.number, in: transaction) { _, client in
                    if let client, rights[client.queue] == client.right {
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
