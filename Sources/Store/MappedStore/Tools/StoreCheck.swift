internal import HTTP
internal import LMDB
package import Values

/// Compares the records and indexes of a store with each other.
package struct StoreCheck: Sendable {
    /// The faults that were found, a sentence each; at most `limit` of them.
    package private(set) var faults: [String] = []
    package private(set) var endpoints = 0
    package private(set) var notifications = 0
    package private(set) var queues = 0
    package private(set) var messages = 0
    package private(set) var webhooks = 0
    package private(set) var subscriptions = 0
    /// The pending deliveries.
    package private(set) var deliveries = 0

    private static let limit = 100

    mutating func report(_ fault: @autoclosure () -> String) {
        if faults.count < Self.limit { faults.append(fault()) }
    }

    mutating func countEndpoint() { endpoints += 1 }
    mutating func countNotification() { notifications += 1 }
    mutating func countQueue() { queues += 1 }
    mutating func countMessage() { messages += 1 }
    mutating func countWebhook() { webhooks += 1 }
    mutating func countSubscription() { subscriptions += 1 }
    mutating func countDelivery() { deliveries += 1 }
}

extension MappedStore {
    /// Checks the store as of one moment. Other processes may go on using it.
    package func check() throws(StoreFailure) -> StoreCheck {
        try read { (transaction) throws(LMDBError) in
            var check = StoreCheck()
            try capture.checkEndpoints(&check, in: transaction)
            try queues.checkQueues(&check, in: transaction)
            try webhooks.checkWebhooks(&check, in: transaction)
            try events.checkEvents(&check, in: transaction)
            return check
        }
    }
}

extension MappedDomain {
    /// Visits each entry once; the key is `nil` if it cannot be read. A damaged tree may contain a cycle: if there are more
    /// entries than the table counts, the visit ends and a fault is reported.
    func visit<Record>(
        _ table: RecordTable<Record>, _ check: inout StoreCheck, in transaction: borrowing Transaction,
        _ body: (Record.Key?, RawSpan, inout StoreCheck) -> Void
    ) throws(LMDBError) {
        let count = try table.count(in: transaction)
        var seen = 0
        try table.bytes.scan(in: transaction) { key, value in
            seen += 1
            guard seen <= count else { return false }
            body(Record.Key(keyBytes: key), value, &check)
            return true
        }
        if seen != count {
            check.report(
                "The table \(table.name) counts \(count) entries, but has \(seen > count ? "more" : "\(seen)").")
        }
    }

    /// Checks that a table has as many entries as it has to have.
    /// - Parameters:
    ///   - index: the table as the report calls it.
    ///   - owners: what it has an entry for each of, in the plural.
    func checkIndex<Record>(
        _ table: RecordTable<Record>, _ index: String, for count: Int, _ owners: String, _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        try visit(table, &check, in: transaction) { _, _, _ in }
        let entries = try table.count(in: transaction)
        if entries != count { check.report("The \(index) has \(entries) entries for \(count) \(owners).") }
    }
}
