import Capture
import Delivery
import Events
import HTTP
import LMDB
import Queues
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

/// After a crash of the machine, no number that a client may have seen is given again.
@Suite struct NumbersTests {
    private static let limits = CaptureLimits(notificationsPerEndpoint: 1000)

    private func open(_ directory: FilePath, boot: String) throws(StoreError) -> MappedStore {
        var options = MappedStore.Options(maximumBytes: 64 << 20, isDurable: false)
        options.bootID = boot
        return try MappedStore(directory: directory, options)
    }

    private func configure(_ store: MappedStore) throws {
        var configuration = QueueConfiguration()
        configuration.queues = [
            QueueSettings(name: "q", limits: QueueLimits(messageCount: 100, messageBytes: 100, queueBytes: 10_000))
        ]
        #expect(try store.queues.configure(configuration, since: nil, for: nil))
        try store.commit()
    }

    /// Creates one record of each kind, and returns their numbers.
    private func numbers(_ store: MappedStore) throws -> [String: UInt64] {
        #expect(try store.accept(at: 1) == .stored)
        let queue = try #require(try store.queues.queue(named: "q"))
        let now = store.clock.now()
        #expect(try store.queues.post(Message(body: [1], receivedAt: now.wall), to: queue, for: nil))
        let id = UUID(bytes: (0..<16).map { _ in UInt8.random(in: 0...255) })!
        let made = try store.events.create(.example(id, at: now.wall), for: nil, limit: 100)
        guard case .made(let subscription) = made else { throw Errno.invalidArgument }
        let event = UUID(bytes: (0..<16).map { _ in UInt8.random(in: 0...255) })!
        _ = try store.events.receive([ReceivedEvent(id: event, type: "", body: Array("{}".utf8))], for: nil, at: now)
        try store.commit()
        return try store.read { (transaction) throws(LMDBError) in
            let state = try store.deliveries.deliveryState(in: transaction)
            let log = try store.queues.queueLog(queue.number, in: transaction)
            return [
                "notification": try store.capture.stored(endpointID(1), in: transaction)!.endpoint.next - 1,
                "message": log!.current, "destination": subscription.destination.number,
                "payload": state.nextPayload - 1, "log entry": state.nextLog, "delivery": state.nextDelivery,
            ]
        }
    }

    @Test func `numbers have no gap if the machine was not restarted`() throws {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory, boot: "a")
                try store.create(1)
                try configure(store)
                _ = try numbers(store)
            }
            let store = try open(directory, boot: "a")
            #expect(try numbers(store)["notification"] == 2)
            #expect(try numbers(store)["message"] == 3)
            #expect(try numbers(store)["notification"] == 4)
        }
    }

    @Test func `numbers have no gap if the store was closed before the machine was restarted`() throws {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory, boot: "a")
                try store.create(1)
                try configure(store)
                _ = try numbers(store)
                try store.noteClosed()
            }
            do {
                let store = try open(directory, boot: "b")
                let found = try numbers(store)
                #expect(found["notification"] == 2)
                #expect(found["message"] == 2)
                #expect(found["payload"] == 2)
            }
            // This time it was not closed.
            let store = try open(directory, boot: "c")
            #expect(try numbers(store)["notification"]! > 1000)
        }
    }

    @Test func `after a power cut that undoes commits, no number is given again, and all stay below 2^53`() throws {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory, boot: "0")
                try store.create(1)
                try configure(store)
                _ = try numbers(store)
            }
            var shown: [String: UInt64] = [:]
            for boot in 1...5 {
                var checkpoint: [(path: FilePath, bytes: [UInt8])] = []
                do {
                    let store = try open(directory, boot: "\(boot - 1)")
                    for path in [MappedStore.file(in: directory), JournalFile.path(in: directory)] {
                        checkpoint.append((path, try Self.contents(path)))
                    }
                    for _ in 0..<20 {
                        for (what, number) in try numbers(store) { shown[what] = max(shown[what] ?? 0, number) }
                    }
                }
                // The disk has only what the checkpoint of the opening has written.
                for (path, bytes) in checkpoint { try Self.replace(path, with: bytes) }
                let store = try open(directory, boot: "\(boot)")
                for (what, number) in try numbers(store) {
                    #expect(number > shown[what]!, "\(what)")
                    #expect(number < 1 << 53)
                }
                #expect(try store.check().faults == [])
            }
        }
    }

    @Test func `notifications on both sides of a gap can be read, acknowledged and collected`()
        throws
    {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory, boot: "a")
                try store.create(1)
                for _ in 0..<3 { #expect(try store.accept(at: 1) == .stored) }
                try store.commit()
                try store.checkpoint()
            }
            let store = try open(directory, boot: "b")
            for _ in 0..<2 { #expect(try store.accept(at: 1) == .stored) }
            try store.commit()
            let numbers = try #require(try store.waiting(at: 1))
            #expect(numbers.count == 5 && numbers.prefix(3) == [1, 2, 3] && numbers[4] == numbers[3] + 1)
            let now = store.clock.now()
            let limits = CaptureLimits(notificationsPerEndpoint: 5)
            #expect(try store.capture.accept(notification(), at: endpointID(1), for: nil, at: now, limits) == .tooMany)
            #expect(try store.looked(at: 1, after: 2, limit: 2)?.count == 2)
            #expect(try store.capture.overview(newest: 1).newest.first?.count == 5)
            #expect(try store.check().faults == [])
            #expect(try store.capture.acknowledge(through: 2, at: endpointID(1), at: now, limits))
            try store.commit()
            #expect(try store.capture.overview(newest: 1).newest.first?.count == 3)
            #expect(try store.capture.acknowledge(through: numbers[3], at: endpointID(1), at: now, limits))
            try store.commit()
            #expect(try store.capture.overview(newest: 1).newest.first?.count == 1)
            #expect(try store.check().faults == [])
            let found = try store.capture.collect(from: endpointID(1), for: nil, at: now, limits, mayBeLong: false)
            guard case .notifications(let left) = found else { return #expect(found == .notifications([])) }
            #expect(left.map(\.number) == [numbers[4]])
            try store.commit()
            #expect(try store.check().faults == [])
        }
    }

    @Test func `an export keeps the numbers on both sides of a gap`() throws {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory, boot: "a")
                try store.create(1)
                for _ in 0..<3 { #expect(try store.accept(at: 1) == .stored) }
                try store.commit()
                try store.checkpoint()
            }
            let store = try open(directory, boot: "b")
            #expect(try store.accept(at: 1) == .stored)
            try store.commit()
            var lines: [[UInt8]] = []
            try store.export(at: store.clock.now()) { lines.append($0) }
            try withTemporaryDirectory { other in
                let twin = try open(other, boot: "b")
                var rest = lines[...]
                _ = try twin.import(at: twin.clock.now()) { rest.popFirst() }
                #expect(try twin.waiting(at: 1) == store.waiting(at: 1))
                #expect(try twin.check().faults == [])
            }
        }
    }

    @Test func `an import gives no number that the exported store has given since`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory, boot: "a")
            try store.create(1)
            try configure(store)
            _ = try numbers(store)
            var lines: [[UInt8]] = []
            try store.export(at: store.clock.now()) { lines.append($0) }
            let last = try numbers(store)
            try withTemporaryDirectory { other in
                do {
                    let twin = try open(other, boot: "a")
                    var rest = lines[...]
                    _ = try twin.import(at: twin.clock.now()) { rest.popFirst() }
                }
                let twin = try open(other, boot: "a")
                for (kind, number) in try numbers(twin) {
                    #expect(number > last[kind]!, "\(kind)")
                }
                #expect(try twin.check().faults == [])
            }
        }
    }

    @Test func `a restart from an older copy of the store gives out no number twice`() throws {
        try withTemporaryDirectory { directory in
            let path = MappedStore.file(in: directory)
            do {
                let store = try open(directory, boot: "a")
                try store.create(1)
                try configure(store)
                _ = try numbers(store)
                try store.noteClosed()
            }
            let copy = try Self.contents(path)
            var last: UInt64 = 0
            do {
                let store = try open(directory, boot: "a")
                try store.renewMark()
                for _ in 0..<5 { last = try numbers(store)["notification"]! }
            }
            try Self.replace(path, with: copy)
            let store = try open(directory, boot: "a")
            #expect(try numbers(store)["notification"]! > last)
        }
    }

    private static func contents(_ path: FilePath) throws -> [UInt8] {
        let file = try FileDescriptor.open(path, .readOnly)
        return try file.closeAfter {
            var bytes = [UInt8](repeating: 0, count: Int(try file.seek(offset: 0, from: .end)))
            _ = try unsafe bytes.withUnsafeMutableBytes { unsafe try file.read(fromAbsoluteOffset: 0, into: $0) }
            return bytes
        }
    }

    private static func replace(_ path: FilePath, with bytes: [UInt8]) throws {
        let file = try FileDescriptor.open(path, .writeOnly, options: .truncate)
        _ = try file.closeAfter { try file.writeAll(bytes) }
    }
}
