import LMDB
import StoreSupport
import Testing

@testable import MappedStore

/// A table that a `UsedStore` has entries in, but for those of subscriptions and routed events.
struct StoreTable: Sendable, CustomTestStringConvertible {
    let name: String
    let path: any KeyPath<Tables, Table> & Sendable
    /// The bytes of a key, where a table has keys of two lengths.
    private let keyBytes: Int?

    var testDescription: String { name }

    private init(_ name: String, _ path: any KeyPath<Tables, Table> & Sendable, keyBytes: Int? = nil) {
        self.name = name
        self.path = path
        self.keyBytes = keyBytes
    }

    static let all = [
        StoreTable("endpoints", \.endpoints.bytes, keyBytes: 8), StoreTable("endpoint-ids", \.endpointIDs.bytes),
        StoreTable("endpoint-uses", \.endpointUses.bytes),
        StoreTable("notifications", \.endpoints.bytes, keyBytes: 16),
        StoreTable("queue-names", \.queueNames.bytes), StoreTable("queues", \.queues.bytes),
        StoreTable("queue-logs", \.queueLogs.bytes), StoreTable("messages", \.messages.table.bytes),
        StoreTable("users", \.users.bytes), StoreTable("rights", \.rights.bytes),
        StoreTable("clients", \.clients.bytes), StoreTable("destinations", \.destinations.bytes),
        StoreTable("destination-states", \.destinationStates.bytes), StoreTable("parcels", \.payloads.bytes),
        StoreTable("event-ids", \.eventIDs.bytes), StoreTable("deliveries", \.deliveries.bytes),
        StoreTable("delivery-heads", \.deliveryHeads.bytes), StoreTable("owner-heads", \.ownerHeads.bytes),
        StoreTable("due-owners", \.dueOwners.bytes), StoreTable("holds", \.holds.bytes),
        StoreTable("attempts", \.attempts.bytes), StoreTable("attempt-index", \.attemptIndex.bytes),
        StoreTable("attempt-parcels", \.attemptPayloads.bytes), StoreTable("lost-lines", \.lostLines.bytes),
        StoreTable("lost-parcels", \.lostPayloads.bytes), StoreTable("keyrings", \.keyrings.bytes),
        StoreTable("environments", \.environments.bytes), StoreTable("webhooks", \.webhooks.bytes),
        StoreTable("webhook-ids", \.webhookIDs.bytes), StoreTable("environment-webhooks", \.environmentWebhooks.bytes),
    ]

    /// The first entry.
    func entry(of store: MappedStore) throws -> (key: [UInt8], value: [UInt8]) {
        let found = try store.read { (transaction) throws(LMDBError) in
            var found: (key: [UInt8], value: [UInt8])?
            try store.tables[keyPath: path].scan(in: transaction) { key, value in
                guard key.byteCount == keyBytes ?? key.byteCount else { return true }
                found = (copy(key), copy(value))
                return false
            }
            return found
        }
        return try #require(found, "\(name) is empty")
    }

    /// Puts a value, or nothing, at a key.
    func put(_ value: [UInt8]?, at key: [UInt8], of store: MappedStore) throws {
        try store.write { (transaction) throws(LMDBError) in
            let table = store.tables[keyPath: path]
            if let value {
                try table.put(value, at: key, in: &transaction)
            } else {
                try table.remove(key, in: &transaction)
            }
        }
        try store.commit()
    }
}
