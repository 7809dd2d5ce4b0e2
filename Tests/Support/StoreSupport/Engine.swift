package import HTTP
package import MappedStore
internal import PostgreSQLStore
internal import TestSupport
internal import Testing
package import Values

/// The storage engines. All of them must pass the same tests.
package enum Engine: CaseIterable, CustomTestStringConvertible {
    case mapped
    /// Only under scripts/with-postgresql, which starts a server.
    case postgreSQL

    package static var allCases: [Engine] { TestDatabase.isThere ? [.mapped, .postgreSQL] : [.mapped] }

    package var testDescription: String {
        switch self {
        case .mapped: "MappedStore"
        case .postgreSQL: "PostgreSQLStore"
        }
    }

    /// Runs `body` with an empty store of this engine, and checks the store after that.
    package func withStore(_ body: (EmptyStore) throws -> Void) throws {
        switch self {
        case .mapped:
            try withTemporaryDirectory { directory in
                let options = MappedStore.Options(maximumBytes: 256 << 20, isDurable: false)
                let test = EmptyStore(try MappedStore(directory: directory, options))
                try body(test)
                #expect(try test.faults() == [])
            }
        case .postgreSQL:
            let database = try TestDatabase()
            try withDatabase(database, body)
            try database.release()
        }
    }

    private func withDatabase(_ database: TestDatabase, _ body: (EmptyStore) throws -> Void) throws {
        let test = EmptyStore(try PostgreSQLEngine.open(database.settings).store)
        try body(test)
        #expect(try test.faults() == [])
    }
}

/// The store of a test, empty at first. The tests of each API have their own short forms, which also commit.
package final class EmptyStore {
    package let store: MappedStore
    package var capture: MappedCapture { store.capture }
    package var queues: MappedQueues { store.queues }
    package var webhooks: MappedWebhooks { store.webhooks }
    package var deliveries: MappedDeliveries { store.deliveries }
    package var events: MappedEvents { store.events }
    package var matching: MappedMatching { store.matching }
    package let commit: () throws(StoreFailure) -> Void
    package let rollBack: () -> Void
    /// Finds contradictions between records and indexes.
    package let faults: () throws -> [String]
    /// Removes garbage, at most so many records.
    package let removeGarbage: (Int) throws -> Int
    private let drop: (Timestamp, UInt64, Int) throws -> Int
    package private(set) var moment: Moment
    private var random = SystemRandomNumberGenerator()

    /// - Parameter moment: the time of the test; `nil` for that of the store's clock.
    package init(_ store: MappedStore, at moment: Moment? = nil) {
        self.store = store
        commit = { () throws(StoreFailure) in try store.commit() }
        rollBack = store.rollBack
        faults = { try store.check().faults }
        removeGarbage = { try store.removeGarbage(limit: $0) }
        drop = { try store.retention.dropOldDeliveries(before: $0, maximumBytes: $1, limit: $2) }
        self.moment = moment ?? store.clock.now()
    }

    /// Drops what is older than `time`, or exceeds `maximumBytes`.
    package func dropOld(_ time: Timestamp, _ maximumBytes: UInt64, _ limit: Int) throws -> Int {
        try drop(time, maximumBytes, limit)
    }

    package func dropOld(_ time: Timestamp, _ limit: Int) throws -> Int { try drop(time, .max, limit) }

    package func later(_ seconds: Double) -> Moment {
        Moment(wall: moment.wall.adding(seconds: seconds), steady: moment.steady.adding(seconds: seconds))
    }

    package func pass(seconds: Double) { moment = later(seconds) }

    package func newID() -> UUID { UUID(random: &random) }

    /// A request that nginx has just received.
    package func request(_ number: UInt64) -> RequestID {
        RequestID(milliseconds: UInt64(moment.wall.microseconds / 1000), high: 1, low: number)
    }
}
