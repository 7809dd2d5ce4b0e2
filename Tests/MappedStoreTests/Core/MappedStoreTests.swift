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

/// Opens the store in a directory.
func open(_ directory: FilePath, maximumBytes: Int = 64 << 20, isDurable: Bool = false) throws(StoreError)
    -> MappedStore
{
    try MappedStore(directory: directory, MappedStore.Options(maximumBytes: maximumBytes, isDurable: isDurable))
}

func endpointID(_ number: Int) -> Endpoint.ID {
    guard let id = Endpoint.ID(bytes: key(UInt64(number), 0, 0)) else { fatalError("24 bytes are an id") }
    return id
}

func notification(_ body: [UInt8] = [0x78]) -> Notification {
    Notification(method: "POST", body: body, receivedAt: Timestamp(microseconds: 0))
}

extension MappedStore {
    func create(_ number: Int, for request: RequestID? = nil) throws {
        let limits = CaptureLimits(endpoints: 100_000)
        #expect(
            try capture.create(endpointID(number), for: request, at: clock.now(), limits)
                == .created(endpointID(number)))
    }

    func accept(_ body: [UInt8] = [0x78], at number: Int, for request: RequestID? = nil) throws -> Acceptance {
        let limits = CaptureLimits(notificationsPerEndpoint: 1_000_000)
        return try capture.accept(notification(body), at: endpointID(number), for: request, at: clock.now(), limits)
    }

    func waiting(at number: Int) throws -> [UInt64]? {
        var found: [UInt64] = []
        while let more = try looked(at: number, after: found.last ?? 0) {
            guard !more.isEmpty else { return found }
            found += more
        }
        return nil
    }

    /// The numbers that one look finds.
    func looked(at number: Int, after last: UInt64, limit: Int = 100_000) throws -> [UInt64]? {
        switch try capture.look(
            at: endpointID(number), .after(last), limit: limit, at: clock.now(), CaptureLimits(), mayBeLong: true)
        {
        case .unknownEndpoint, .tooLong: nil
        case .notifications(let found): found.map(\.number)
        case .long(let range): try capture.page(of: range, from: range.first, atMost: .max).map(\.numbered.number)
        }
    }
}

@Suite struct MappedStoreTests {
    @Test func `only a write locks out other writers, and only until its commit`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.create(1)
            try store.commit()
            #expect(try store.waiting(at: 1) == [])
            #expect(!store.isWriting)
            #expect(try store.accept(at: 1) == .stored)
            #expect(store.isWriting)
            try store.commit()
            #expect(!store.isWriting)
        }
    }

    @Test func `a receiver that is shown locks out no writer, and one that is to be changed does`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.create(1)
            try store.commit()
            func set(_ version: UInt64) throws {
                var change = Configuration(isEnabled: true)
                let receiver = StoredReceiver(version: version, settings: [], sealedSecrets: nil, positions: [:])
                change.receiver = ReceiverChange(base: version > 1 ? version - 1 : nil, receiver: receiver)
                #expect(try store.capture.configure(endpointID(1), change, at: store.clock.now(), CaptureLimits()))
            }
            try set(1)
            try store.commit()
            let limits = CaptureLimits()
            #expect(try store.capture.receiver(of: endpointID(1), at: store.clock.now(), limits)?.version == 1)
            #expect(!store.isWriting)
            try set(2)
            #expect(try store.capture.receiver(of: endpointID(1), at: store.clock.now(), limits)?.version == 1)
            #expect(try store.capture.receiverToChange(of: endpointID(1), at: store.clock.now(), limits)?.version == 2)
            try store.commit()
        }
    }

    @Test(arguments: [false, true])
    func `committed data is there after reopening, and other data is not`(isDurable: Bool) throws {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory, isDurable: isDurable)
                try store.create(1)
                #expect(try store.accept(at: 1) == .stored)
                store.capture.count(.received)
                try store.commit()
                try store.checkpoint()
                #expect(try store.accept(at: 1) == .stored)
                try store.create(2)
            }
            let store = try open(directory)
            #expect(try store.waiting(at: 1) == [1])
            #expect(try store.waiting(at: 2) == nil)
            #expect(try store.capture.overview(newest: 1).counters[.received] == 1)
            try store.create(3)
            try store.commit()
            #expect(try store.capture.overview(newest: 10).newest.map(\.number) == [1, 2])
        }
    }

    @Test func `processes see the commits of each other`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            let store = try open(directory)
            try store.create(1)
            #expect(try store.accept(at: 1) == .stored)
            try store.commit()
            let version = try store.version()
            await #expect(processExitsWith: .success) { [path = directory.string as String] in
                let other = try open(FilePath(path))
                #expect(try other.waiting(at: 1) == [1])
                #expect(try other.accept(at: 1) == .stored)
                try other.create(2)
                try other.commit()
            }
            #expect(try store.version() != version)
            #expect(try store.waiting(at: 1) == [1, 2])
            #expect(try store.waiting(at: 2) == [])
        }
    }

    @Test func `two processes that write at once lose and repeat nothing`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            do {
                let store = try open(directory)
                try store.create(0)
                try store.commit()
            }
            async let first: Void = Self.write(from: 1, directory.string)
            async let second: Void = Self.write(from: 1001, directory.string)
            _ = await (first, second)
            let store = try open(directory)
            let overview = try store.capture.overview(newest: 1000)
            #expect(overview.total == 201)
            #expect(Set(overview.newest.map(\.number)).count == 201)
            #expect(overview.counters[.received] == 200)
            #expect(try store.waiting(at: 0) == Array(1...200))
        }
    }

    private static func write(from number: Int, _ path: String) async {
        await #expect(processExitsWith: .success) { [number = number as Int, path = path as String] in
            let store = try open(FilePath(path))
            for index in number..<(number + 100) {
                try store.create(index)
                #expect(try store.accept(at: 0) == .stored)
                store.capture.count(.received)
                try store.commit()
            }
        }
    }

    @Test func `a process that is killed while it writes leaves only what it has committed`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            let store = try open(directory)
            try store.create(1)
            try store.commit()
            await #expect(processExitsWith: .signal(9)) { [path = directory.string as String] in
                let other = try open(FilePath(path))
                #expect(try other.accept(at: 1) == .stored)
                try other.commit()
                for number in 2..<500 {
                    try other.create(number)
                    #expect(try other.accept([UInt8](repeating: 1, count: 5000), at: number) == .stored)
                }
                killThisProcess()
            }
            #expect(try store.waiting(at: 1) == [1])
            #expect(try store.capture.overview(newest: 1).total == 1)
            #expect(try store.accept(at: 1) == .stored)
            try store.commit()
            #expect(try store.waiting(at: 1) == [1, 2])
        }
    }

    @Test func `processes that are killed again and again leave every committed notification`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            do {
                let store = try open(directory)
                try store.create(1)
                try store.commit()
            }
            for round in 1...5 {
                await #expect(processExitsWith: .signal(9)) {
                    [path = directory.string as String, round = round as Int] in
                    let store = try open(FilePath(path))
                    for _ in 0..<20 {
                        #expect(try store.accept(at: 1) == .stored)
                        try store.commit()
                    }
                    for _ in 0..<(round * 3) { #expect(try store.accept(at: 1) == .stored) }
                    killThisProcess()
                }
            }
            #expect(try open(directory).waiting(at: 1) == Array(1...100))
        }
    }

    @Test(arguments: [0, MappedStore.schemaVersion + 1, UInt64.max])
    func `a store of an unknown layout is refused, and is not changed`(version: UInt64) throws {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory)
                try store.write { (transaction) throws(LMDBError) in
                    try store.tables.schema.put(version, in: &transaction)
                }
                try store.commit()
            }
            let bytes = Files.contents(of: MappedStore.file(in: directory))
            do throws(StoreError) {
                _ = try open(directory)
                Issue.record("opened")
            } catch {
                #expect(error.description.contains("schema version \(version)"))
                #expect(!error.isDamage)
            }
            #expect(Files.contents(of: MappedStore.file(in: directory)) == bytes)
        }
    }

    @Test func `a file that is not a store is refused as damaged`() throws {
        try withTemporaryDirectory { directory in
            try Files.replace(MappedStore.file(in: directory), with: [UInt8](repeating: 0x41, count: 20_000))
            do throws(StoreError) {
                _ = try open(directory)
                Issue.record("opened")
            } catch {
                #expect(error.isDamage)
                #expect(error.description.hasPrefix("\(directory)/store.mdb: "))
            }
            #expect(throws: StoreError.self) { try open("/nowhere/at/all") }
        }
    }

    @Test func `a damaged record fails its own request, and no other`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.create(1)
            try store.create(2)
            #expect(try store.accept(at: 2) == .stored)
            try store.write { (transaction) throws(LMDBError) in
                try store.tables.endpoints.bytes.put([1, 2, 3], at: key(1), in: &transaction)
                try store.tables.notifications.table.bytes.put([9], at: key(2, 1), in: &transaction)
            }
            try store.commit()
            // Another request of the same transaction is stored.
            #expect(try store.accept(at: 2) == .stored)
            let id = endpointID(1)
            #expect(throws: StoreFailure.damaged("an endpoint's record is damaged: endpoint \(id)")) {
                try store.accept(at: 1)
            }
            #expect(!store.isTurnBroken)
            #expect(try store.accept(at: 2) == .stored)
            try store.commit()
            #expect(throws: StoreFailure.self) { try store.waiting(at: 2) }
            #expect(try store.looked(at: 2, after: 1, limit: 9)?.count == 2)
            #expect(try store.capture.overview(newest: 10).newest.map(\.number) == [2])
            // Each damaged record is logged once.
            #expect(store.takeDamage().filter { $0.contains("\(id)") }.count == 1)
            #expect(throws: StoreFailure.self) { try store.accept(at: 1) }
            #expect(store.takeDamage() == [])
        }
    }

    @Test func `an operation that fails undoes the whole transaction, and the next one works`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.create(1)
            try store.commit()
            #expect(try store.accept(at: 1) == .stored)
            let failure = LMDBError.damaged("a test")
            #expect(throws: StoreFailure.damaged(failure.description)) {
                try store.write { (transaction) throws(LMDBError) in
                    try store.tables.touched.put((), in: &transaction)
                    throw failure
                }
            }
            #expect(store.isTurnBroken)
            #expect(throws: StoreFailure.damaged(failure.description)) { try store.accept(at: 1) }
            #expect(throws: StoreFailure.damaged(failure.description)) { try store.commit() }
            #expect(!store.isTurnBroken)
            #expect(try store.waiting(at: 1) == [])
            #expect(try store.accept(at: 1) == .stored)
            try store.commit()
            #expect(try store.waiting(at: 1) == [1])
        }
    }

    @Test func `without a write nothing is committed`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            let version = try store.version()
            try store.commit()
            _ = try store.capture.overview(newest: 1)
            #expect(try store.capture.removeOverdue(at: store.clock.now(), CaptureLimits(), limit: 10) == 0)
            #expect(try store.forgetRequests(at: store.clock.now(), limit: 10) == 0)
            try store.commit()
            #expect(try store.version() == version)
            try store.touch()
            try store.commit()
            #expect(try store.version() == version + 1)
        }
    }

    @Test func `requests are forgotten after two minutes, with the notifications stored for their retry`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            let now = store.clock.now()
            let milliseconds = UInt64(now.wall.microseconds / 1000)
            try store.create(1)
            for number in UInt64(0)..<10 {
                let request = RequestID(milliseconds: milliseconds, high: 0, low: number)
                #expect(try store.accept(at: 1, for: request) == .stored)
            }
            let collecting = RequestID(milliseconds: milliseconds, high: 1, low: 0)
            let found = try store.capture.collect(
                from: endpointID(1), for: collecting, at: now, CaptureLimits(), mayBeLong: false)
            guard case .notifications(let notifications) = found else { return #expect(found == .notifications([])) }
            #expect(notifications.count == 10)
            try store.commit()
            func kept() throws -> Int {
                try store.read { (transaction) throws(LMDBError) in
                    var count = 0
                    try store.tables.notifications.scan(of: 1, from: 0, to: .max, in: transaction) { _, _ in
                        count += 1
                        return true
                    }
                    return count
                }
            }
            #expect(try kept() == 10)
            let minutes = Moment(wall: now.wall.adding(seconds: 120), steady: now.steady)
            #expect(try store.forgetRequests(at: minutes, limit: 100) == 0)
            let later = Moment(wall: now.wall.adding(seconds: 120.002), steady: now.steady)
            #expect(try store.forgetRequests(at: later, limit: 100) == 1)
            try store.commit()
            #expect(try kept() == 0)
        }
    }
}
