internal import HTTP
internal import LMDB
internal import Linux
package import SystemPackage
package import Values

/// Copies the readable records of a store whose pages are damaged, record by record.
///
/// LMDB trusts its pages, so a damaged page may end the process that reads it. Hence two processes: one reads and sends the
/// records that it finds; the other receives them and, if the first has ended, has the reading continued elsewhere.
package enum StoreSalvage {
    /// The part of the store to read.
    package struct Part: Equatable, Sendable {
        /// The first table to read. The tables after it follow, unless `isOnlyOne`.
        package var table: Int
        package var isOnlyOne = false
        /// Whether to read from the last record to the first.
        package var isBackwards = false

        package init(table: Int, isOnlyOne: Bool = false, isBackwards: Bool = false) {
            self.table = table
            self.isOnlyOne = isOnlyOne
            self.isBackwards = isBackwards
        }
    }

    package static var tableCount: Int { Tables.savedNames.count }

    // The format: a byte for the kind of message, a number, the length of the content, and the content. Both numbers have
    // four bytes, big-endian.
    private enum Mark {
        static let record: UInt8 = 1
        static let tableEnd: UInt8 = 2
        /// LMDB has failed in a table; the reason follows.
        static let failure: UInt8 = 3
    }

    /// Reads tables and writes them to a descriptor.
    /// - Parameter isCareful: writes each record at once, so that none is lost if the next one ends the process.
    package static func send(
        _ part: Part, of directory: FilePath, to descriptor: FileDescriptor, isCareful: Bool
    ) throws(StoreError) {
        let path = MappedStore.file(in: directory)
        var output = Output(descriptor: descriptor, limit: isCareful ? 0 : 1 << 16)
        do throws(LMDBError) {
            let environment = try Environment(
                path: path.string, tables: Tables.limit, readers: 1024,
                Environment.Options(mapBytes: 1 << 20, isReadOnly: true))
            let transaction = try environment.beginRead()
            let last = part.isOnlyOne ? part.table : Tables.savedNames.count - 1
            for index in part.table...last {
                do throws(LMDBError) {
                    try send(Tables.savedNames[index], part.isBackwards, &output, in: transaction)
                    output.put(Mark.tableEnd, UInt32(index), [])
                } catch {
                    output.put(Mark.failure, UInt32(index), Array("\(error)".utf8))
                }
            }
            output.flush()
        } catch {
            throw StoreError(error, path)
        }
    }

    private static func send(
        _ name: String, _ isBackwards: Bool, _ output: inout Output, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        let table: Table
        do throws(LMDBError) {
            table = try Table(name, creating: false, in: transaction)
        } catch {
            // Older layouts have fewer tables.
            guard error.isNotFound else { throw error }
            return
        }
        var last: [UInt8]?
        var isCircular = false
        try table.scan(backwards: isBackwards, in: transaction) { key, value in
            let key = copy(key)
            // A damaged tree may contain a cycle.
            if let last, isBackwards ? !key.lexicographicallyPrecedes(last) : !last.lexicographicallyPrecedes(key) {
                isCircular = true
                return false
            }
            last = key
            output.put(Mark.record, UInt32(key.count), key + copy(value))
            return true
        }
        if isCircular { throw .damaged("the order of the keys") }
    }

    private struct Output {
        let descriptor: FileDescriptor
        let limit: Int
        var bytes: [UInt8] = []

        init(descriptor: FileDescriptor, limit: Int) {
            self.descriptor = descriptor
            self.limit = limit
        }

        mutating func put(_ mark: UInt8, _ number: UInt32, _ content: [UInt8]) {
            bytes.append(mark)
            for value in [number, UInt32(content.count)] {
                for shift in [UInt32(24), 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
            }
            bytes += content
            if bytes.count >= limit { flush() }
        }

        mutating func flush() {
            _ = try? descriptor.writeAll(bytes)
            bytes.removeAll(keepingCapacity: true)
        }
    }

    // MARK: The other side

    /// Receives records and writes them to a new store.
    package final class Receiver {
        private let environment: Environment
        private var buffer: [UInt8] = []
        private var start = 0
        /// The table that is being received.
        package private(set) var table = 0
        /// The key of the last record that was received by reading the table from its beginning.
        private var forwardEnd: [UInt8]?
        private var batch: [(table: String, key: [UInt8], value: [UInt8])] = []
        private var batchBytes = 0
        /// Whether the part was received to its end.
        package private(set) var isDone = false
        /// Tables that could not be read completely, and why.
        package private(set) var failures: [(table: Int, reason: String)] = []
        private var part = Part(table: 0)

        /// - Parameter directory: where the new store is created.
        package init(directory: FilePath, maximumBytes: Int) throws(StoreError) {
            let path = MappedStore.file(in: directory)
            do throws(LMDBError) {
                environment = try Environment(
                    path: path.string, tables: Tables.limit, readers: 16,
                    Environment.Options(mapBytes: maximumBytes))
            } catch {
                throw StoreError(error, path)
            }
        }

        /// Prepares to receive a part.
        package func begin(_ part: Part) {
            if part.table != table || !part.isOnlyOne { forwardEnd = nil }
            self.part = part
            table = part.table
            isDone = false
            buffer = []
            start = 0
            failures = []
        }

        /// Takes bytes as they arrive, split anywhere.
        /// - Returns: false once backward reading has reached the records that were received by forward reading.
        package func take(_ bytes: ArraySlice<UInt8>) throws(StoreError) -> Bool {
            buffer.removeFirst(start)
            start = 0
            buffer += bytes
            while buffer.count - start >= 9 {
                let mark = buffer[start]
                let (number, count) = (Int(self.number(at: start + 1)), Int(self.number(at: start + 5)))
                guard buffer.count - start >= 9 + count else { break }
                let content = Array(buffer[start + 9..<start + 9 + count])
                start += 9 + count
                switch mark {
                case Mark.record:
                    let key = Array(content[..<number])
                    if part.isBackwards, let end = forwardEnd, !end.lexicographicallyPrecedes(key) {
                        isDone = true
                        return false
                    }
                    if !part.isBackwards { forwardEnd = key }
                    try put(key, Array(content[number...]))
                case Mark.failure:
                    failures.append((number, String(decoding: content, as: UTF8.self)))
                    endTable(number)
                default:
                    endTable(number)
                }
            }
            return true
        }

        private func endTable(_ index: Int) {
            isDone = part.isOnlyOne || index + 1 == Tables.savedNames.count
            if !part.isOnlyOne {
                table = index + 1
                forwardEnd = nil
            }
        }

        private func number(at offset: Int) -> UInt32 {
            buffer[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }

        private func put(_ key: [UInt8], _ value: [UInt8]) throws(StoreError) {
            batch.append((Tables.savedNames[table], key, value))
            batchBytes += key.count + value.count
            if batch.count >= 10_000 || batchBytes >= 32 << 20 { try flush() }
        }

        /// Writes the records received so far.
        package func flush() throws(StoreError) {
            let taken = batch
            (batch, batchBytes) = ([], 0)
            do throws(LMDBError) {
                var transaction = try environment.beginWrite()
                for record in taken {
                    let table = try Table(record.table, creating: true, in: transaction)
                    // A key of an impossible length was damaged too.
                    guard (1...511).contains(record.key.count) else { continue }
                    try table.put(record.value, at: record.key, in: &transaction)
                }
                try transaction.commit()
            } catch {
                throw StoreError("cannot write the copy: \(error)")
            }
        }

        /// Writes the remaining records. A copy without a layout version gets the current one.
        /// - Returns: whether the layout version was missing.
        package func finish() throws(StoreError) -> Bool {
            try flush()
            do throws(LMDBError) {
                var transaction = try environment.beginWrite()
                let meta = try Table("meta", creating: true, in: transaction)
                let schema = SingleRecord<NumberRecord>("schema", in: meta)
                let isKnown = try schema.readable(in: transaction) != nil
                if !isKnown {
                    // Before layout 7 the records of endpoints had a table of their own.
                    let endpoints = try Table(ifThere: "endpoints", in: transaction)
                    let areApart = try endpoints?.count(in: transaction) ?? 0 > 0
                    try schema.put(areApart ? 6 : MappedStore.schemaVersion, in: &transaction)
                }
                try transaction.commit()
                return !isKnown
            } catch {
                throw StoreError("cannot write the copy: \(error)")
            }
        }
    }

    package static func name(of table: Int) -> String { Tables.savedNames[table] }
}

extension Tables {
    /// Tables that a start reads completely.
    static let readAtStart: Set = ["meta", "queue-names", "queues", "queue-logs", "users", "rights"]

    /// The names of all tables that a repair copies.
    static let savedNames = names + ["endpoints"]

    /// The names of all tables in the file. One of an older layout may also have `endpoints`.
    static let names = [
        "meta", "endpoint-ids", "endpoint-uses", "notifications", "queue-names", "queues", "queue-logs",
        "messages", "users", "rights", "clients", "logins", "destinations", "destination-states", "parcels",
        "event-ids", "deliveries", "delivery-heads", "approval-heads", "attempts", "attempt-index", "lost-lines",
        "lost-parcels", "keyrings", "environments", "webhooks", "webhook-ids", "environment-webhooks",
        "attempt-parcels", "subscriptions", "subscription-ids", "user-subscriptions", "subscription-counts",
        "expressions", "gone-expressions", "routed-events", "waiting-events", "replays", "garbage", "requests",
        "endpoint-makers", "owner-heads", "due-owners", "holds", "missed-events", "lags", "refusals",
        "receivers", "confirmations", "due-confirmations", "notification-deliveries", "forwards",
        "forward-contents", "pending-forwards", "forward-heads",
    ]
}

extension MappedStore {
    /// Continues the numbers of the store that this one replaces, above all that were given there.
    package func continueNumbers(of old: MappedStore) throws(StoreFailure) {
        let ceiling = try old.read { (transaction) throws(LMDBError) in
            try old.tables.numbers.readable(in: transaction)?.ceiling ?? 0
        }
        try write { (transaction) throws(LMDBError) in
            var numbers = try tables.numbers.readable(in: transaction) ?? Numbers()
            numbers.raise(above: ceiling)
            try tables.numbers.put(numbers, in: &transaction)
            try tables.jump(in: &transaction)
        }
        try commit()
        try checkpoint()
    }
}
