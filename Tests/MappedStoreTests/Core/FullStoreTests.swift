import Capture
import HTTP
import LMDB
import Linux
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

/// A store that has reached its size accepts posts again once it has free pages.
@Suite struct FullStoreTests {
    private static let limits = CaptureLimits(endpoints: 100_000, notificationsPerEndpoint: 1_000_000)

    /// Posts once; `false` if there is no room.
    private func post(_ store: MappedStore, body: Int, for request: RequestID? = nil) throws -> Bool {
        do throws(StoreFailure) {
            let acceptance = try store.capture.accept(
                notification([UInt8](repeating: 1, count: body)), at: endpointID(1), for: request,
                at: store.clock.now(), Self.limits)
            #expect(acceptance == .stored)
            try store.commit()
            return true
        } catch {
            #expect(error == .full)
            if store.isWriting { try store.commit() } else { store.rollBack() }
            return false
        }
    }

    private func collect(
        _ store: MappedStore, for request: RequestID? = nil
    ) throws(StoreFailure) -> [NumberedNotification] {
        let found = try store.capture.collect(
            from: endpointID(1), for: request, at: store.clock.now(), Self.limits, mayBeLong: true)
        try store.commit()
        switch found {
        case .unknownEndpoint, .tooLong: return []
        case .notifications(let notifications): return notifications
        case .long(let range): return try store.capture.page(of: range, from: range.first, atMost: .max).map(\.numbered)
        }
    }

    /// Acknowledges everything, which frees its room at once.
    private func empty(_ store: MappedStore) throws(StoreFailure) {
        _ = try store.capture.acknowledge(through: 1 << 50, at: endpointID(1), at: store.clock.now(), Self.limits)
        try store.commit()
    }

    private static func request(_ number: Int, secondsAgo: Int64 = 0) -> RequestID {
        let now = SystemClock.realTimeMicroseconds() / 1000
        return RequestID(milliseconds: UInt64(now - 1000 * secondsAgo), high: 1, low: UInt64(number))
    }

    @Test(arguments: [100, 20_000, 300_000])
    func `a store that was full while a snapshot was read accepts posts again after that`(body: Int) throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory, maximumBytes: 16 << 20)
            try store.create(1)
            try store.commit()
            #expect(try post(store, body: body))
            var first = 0
            do {
                let snapshot = try store.core.itsFile.environment.beginRead()
                var refused = 0
                while refused < 300 {
                    if try post(store, body: body) { first += 1 } else { refused += 1 }
                    do throws(StoreFailure) {
                        try empty(store)
                    } catch {
                        #expect(error == .full)
                        store.rollBack()
                    }
                }
                try snapshot.commit()
            }
            try empty(store)
            var second = 0
            for _ in 0..<10 where try post(store, body: body) { second += 1 }
            #expect(second >= 8)
            #expect(try store.check().faults == [])
        }
    }

    @Test(arguments: [2000, 20_000, 300_000])
    func `a store filled by posts and collects accepts posts again once their requests are forgotten`(
        body: Int
    ) throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory, maximumBytes: 16 << 20)
            try store.create(1)
            try store.commit()
            var (refused, number) = (0, 0)
            while refused < 100 {
                number += 2
                if try !post(store, body: body, for: Self.request(number)) { refused += 1 }
                guard number % 10 == 0 || refused > 0 else { continue }
                do throws(StoreFailure) {
                    _ = try collect(store, for: Self.request(number + 1))
                } catch {
                    #expect(error == .full)
                    store.rollBack()
                }
            }
            let now = store.clock.now()
            let later = Moment(wall: now.wall.adding(seconds: 200), steady: now.steady)
            while try store.forgetRequests(at: later, limit: 100) == 100 { try store.commit() }
            try store.commit()
            var stored = 0
            for _ in 0..<10 where try post(store, body: body) { stored += 1 }
            #expect(stored >= 8)
            #expect(try store.check().faults == [])
        }
    }

    @Test func `a full store remembers requests for as long as nginx may retry them`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory, maximumBytes: 16 << 20)
            try store.create(1)
            try store.commit()
            // nginx makes its last attempt 80 s after the first.
            let (posted, collected) = (Self.request(1, secondsAgo: 80), Self.request(2, secondsAgo: 80))
            #expect(try post(store, body: 10, for: posted))
            #expect(try collect(store, for: collected).count == 1)
            var refused = 0
            while refused < 100 { if try !post(store, body: 300_000) { refused += 1 } }
            let waiting = try store.waiting(at: 1)?.count
            #expect(try post(store, body: 10, for: posted))
            #expect(try store.waiting(at: 1)?.count == waiting)
            #expect(try collect(store, for: collected).map(\.number) == [1])
        }
    }

    @Test func `a collect can be retried even after the endpoint was deleted`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            let request = Self.request(1)
            try store.create(1)
            try store.commit()
            #expect(try post(store, body: 10))
            #expect(try collect(store, for: request).count == 1)
            #expect(try post(store, body: 10))
            #expect(try store.capture.delete(endpointID(1)))
            try store.commit()
            #expect(try collect(store, for: request).map(\.number) == [1])
            #expect(try store.check().faults == [])
            let now = store.clock.now()
            let later = Moment(wall: now.wall.adding(seconds: 200), steady: now.steady)
            #expect(try store.forgetRequests(at: later, limit: 100) == 1)
            try store.commit()
            try store.read { (transaction) throws(LMDBError) in
                #expect(try store.tables.endpoints.bytes.count(in: transaction) == 0)
            }
        }
    }

    @Test func `free pages that a reader still sees are not usable`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory, maximumBytes: 16 << 20)
            try store.create(1)
            try store.commit()
            for _ in 0..<10 { #expect(try post(store, body: 300_000)) }
            let snapshot = try store.core.itsFile.environment.beginRead()
            try empty(store)
            for _ in 0..<3 {
                try store.touch()
                try store.commit()
            }
            #expect(try store.core.itsFile.environment.freePages(enough: .max).usable < 100)
            try snapshot.commit()
            try store.checkpoint()
            #expect(try store.core.itsFile.environment.freePages(enough: .max).usable > 700)
            #expect(try store.core.itsFile.environment.freePages(enough: .max, runs: 9, of: 74).runs >= 9)
        }
    }
}

@Suite struct TableNamesTests {
    @Test func `the module's page lists every table, and no other`() throws {
        let root = (0..<4).reduce(FilePath(#filePath)) { path, _ in path.removingLastComponent() }
        let page = root.appending("Sources/Store/MappedStore/README.md")
        let text = String(decoding: try #require(Files.contents(of: page)), as: UTF8.self)
        let rows = text.split(separator: "## Adding a table")[0].matches(of: /(?m)^\| `([a-z-]+)` \|/).map {
            String($0.1)
        }
        #expect(rows.sorted() == Tables.names.sorted())
    }

    @Test func `the list of tables is complete`() throws {
        try withTemporaryDirectory { directory in
            let store = try MappedStore(directory: directory, MappedStore.Options(isDurable: false))
            let others = Mirror(reflecting: store.tables).children.filter {
                !"\(type(of: $0.value))".contains("SingleRecord")
            }
            #expect(others.count + 1 == Tables.names.count)
            #expect(Set(Tables.names).count == Tables.names.count)
            try store.core.itsFile.environment.read { (transaction) throws(LMDBError) in
                for name in Tables.names { _ = try Table(name, creating: false, in: transaction) }
            }
        }
    }
}
