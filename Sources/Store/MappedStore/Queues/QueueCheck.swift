internal import HTTP
internal import LMDB
internal import Queues

extension MappedQueues {
    func checkQueues(_ check: inout StoreCheck, in transaction: borrowing Transaction) throws(LMDBError) {
        guard let state = try tables.queueState.readable(in: transaction) else {
            return check.report("The record of the state of queues cannot be read.")
        }
        let garbage = try checkGarbage(&check, in: transaction)
        let logs = try checkQueueRecords(state, &check, in: transaction)
        try checkMessages(logs, garbage, &check, in: transaction)
        try checkUsers(state, garbage, Set(logs.keys), &check, in: transaction)
        try visit(tables.logins, &check, in: transaction) { key, value, check in
            if key == nil || value.byteCount != 8 { check.report("The counter of a login cannot be read.") }
        }
    }

    private func checkGarbage(
        _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<Garbage> {
        var garbage: Set<Garbage> = []
        try visit(tables.garbage, &check, in: transaction) { key, _, check in
            guard let entry = key else { return check.report("An entry of the list of data to remove cannot be read.") }
            garbage.insert(entry)
        }
        return garbage
    }

    private func checkQueueRecords(
        _ state: QueueState, _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64: QueueLog] {
        var names: [UInt64: String] = [:]
        var logs: [UInt64: QueueLog] = [:]
        try visit(tables.queues, &check, in: transaction) { key, value, check in
            guard let number = key, let settings = QueueSettingsRecord.decode(value, at: number) else {
                return check.report("The settings of a queue cannot be read.")
            }
            if number >= state.nextQueue { check.report("Queue \(number) has a number above the last one assigned.") }
            names[number] = settings.name
            check.countQueue()
        }
        try visit(tables.queueLogs, &check, in: transaction) { key, value, check in
            guard let number = key, let log = QueueLogRecord.decode(value, at: number) else {
                return check.report("The log of a queue cannot be read.")
            }
            if names[number] == nil {
                check.report("The log of queue \(number) belongs to a queue that does not exist.")
            }
            if !log.isSound { check.report("The log of queue \(number) contradicts itself.") }
            logs[number] = log
        }
        for (number, name) in names {
            if logs[number] == nil { check.report("Queue \(number) has no log.") }
            if try tables.queueNames.readable(at: NameDigest(name), in: transaction) != number {
                check.report("Queue \(number) is missing from the index of names.")
            }
        }
        try checkIndex(tables.queueNames, "index of names", for: names.count, "queues", &check, in: transaction)
        return logs
    }

    private func checkMessages(
        _ logs: [UInt64: QueueLog], _ garbage: Set<Garbage>, _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var found: [UInt64: (count: UInt64, bytes: UInt64)] = [:]
        try visit(tables.messages.table, &check, in: transaction) { key, value, check in
            guard let key else { return check.report("The key of a message cannot be read.") }
            let (queue, id) = (key.owner, key.number)
            check.countMessage()
            if !isIntact(value) || MessageRecord.decode(value, at: key) == nil {
                check.report("Message \(id) of queue \(queue) is damaged.")
            }
            guard let log = logs[queue], id >= log.first else {
                if !garbage.contains(.messages(queue: queue)) {
                    check.report("Message \(id) of queue \(queue) was dropped, but was not removed.")
                }
                return
            }
            if id > log.current {
                check.report("Message \(id) of queue \(queue) has an id above the last one assigned.")
            }
            found[queue, default: (0, 0)].count += 1
            found[queue, default: (0, 0)].bytes += UInt64(max(0, value.byteCount - MessageRecord.overhead))
        }
        for (number, log) in logs {
            let (count, bytes) = found[number] ?? (0, 0)
            if count != log.count {
                check.report("Queue \(number) counts \(log.count) messages, but has \(count).")
            } else if bytes != log.bytes {
                check.report("Queue \(number) counts \(log.bytes) bytes, but has \(bytes).")
            }
        }
    }

    private func checkUsers(
        _ state: QueueState, _ garbage: Set<Garbage>, _ queues: Set<UInt64>, _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var users: Set<UInt64> = []
        try visit(tables.users, &check, in: transaction) { key, value, check in
            guard let key, let user = UserRecord.decode(value, at: key) else {
                return check.report("The record of a user cannot be read.")
            }
            if key != NameDigest(user.name) { check.report("User \(user.number) is stored under another name.") }
            if user.number >= state.nextUser || !users.insert(user.number).inserted {
                check.report("User \(user.number) has a number above the last one assigned, or used twice.")
            }
        }
        try visit(tables.rights, &check, in: transaction) { key, value, check in
            guard let key, value.byteCount == 8 else { return check.report("A user's right cannot be read.") }
            let (user, queue) = (key.owner, key.number)
            if !users.contains(user) { check.report("A right belongs to user \(user), who does not exist.") }
            if !queues.contains(queue) { check.report("A right refers to queue \(queue), which does not exist.") }
        }
        try visit(tables.clients, &check, in: transaction) { key, value, check in
            guard let key, let client = ClientRecord(value), key.name == NameDigest(client.name) else {
                return check.report("The record of a client cannot be read.")
            }
            let user = key.user
            if !users.contains(user), !garbage.contains(.clients(user: user)) {
                check.report("A client belongs to user \(user), who does not exist.")
            }
        }
    }
}
