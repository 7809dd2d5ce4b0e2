import HTTP
import HTTPTypes
import Linux
import Synchronization
import TestSupport
import Testing

@testable import FastCGI

/// Requests that wait for somebody outside to answer.
@Suite struct AskingTests {
    private static func ask(_ loop: RunningLoop, count: Int = 1) throws -> [WireConnection] {
        let connections = try (0..<count).map { _ in try loop.connect() }
        for connection in connections { try connection.send(Wire.request("/ask")) }
        #expect(holds { loop.shared.parked.load(ordering: .relaxed) >= count })
        return connections
    }

    @Test func `all who wait are answered anew, and nobody else waits with them`() throws {
        try RunningLoop.with { loop in
            let asking = try Self.ask(loop, count: 30)
            #expect(try loop.connect().ask("/body")?.status == 200)
            try loop.shared.inquiries.tell()
            for connection in asking {
                #expect(try connection.answer()?.text == "told GET 0 0")
                #expect(try connection.ask("/body")?.status == 200)
            }
            // Each once when it came, and once when it was known.
            #expect(loop.shared.answered.load(ordering: .relaxed) == 30 + 30 + 31)
        }
    }

    @Test func `a change of the store and a hang-up signal leave them waiting`() throws {
        try RunningLoop.with { loop in
            let asking = try Self.ask(loop)
            loop.shared.publish()
            loop.send(Signal.hangUp)
            #expect(try loop.connect().ask("/body")?.status == 200)
            try loop.shared.inquiries.tell()
            #expect(try asking[0].answer()?.text == "told GET 0 0")
        }
    }

    @Test func `a stop waits for what has been asked`() throws {
        try RunningLoop.with(shutdownSeconds: 60) { loop in
            let asking = try Self.ask(loop, count: 3)
            let idle = try loop.connect()
            #expect(try idle.ask("/body")?.status == 200)
            loop.send(Signal.terminate)
            #expect(try idle.isClosed())
            try loop.shared.inquiries.tell()
            for connection in asking {
                #expect(try connection.answer()?.text == "told GET 0 0")
                #expect(try connection.isClosed())
            }
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a stop waits for nobody who does not answer, and says so`() throws {
        try RunningLoop.with(shutdownSeconds: 1) { loop in
            let asking = try Self.ask(loop, count: 3)
            loop.send(Signal.terminate)
            for connection in asking { #expect(try connection.answer()?.text == "too late") }
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a stop waits for what has begun, although its client has gone`() throws {
        try RunningLoop.with { loop in
            loop.shared.inquiries.hasBegun.store(true, ordering: .sequentiallyConsistent)
            loop.send(Signal.terminate)
            SystemClock.sleep(microseconds: 100_000)
            let hasEnded = loop.shared.hasEnded.load(ordering: .sequentiallyConsistent)
            #expect(!hasEnded)
            try loop.shared.inquiries.tell()
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a stop does not wait for it for ever`() throws {
        try RunningLoop.with(shutdownSeconds: 0.3) { loop in
            loop.shared.inquiries.hasBegun.store(true, ordering: .sequentiallyConsistent)
            loop.send(Signal.terminate)
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `whoever goes away while asking is forgotten`() async {
        await #expect(processExitsWith: .success) {
            try RunningLoop.with { loop in
                #expect(try loop.connect().ask("/body")?.status == 200)
                let before = openFiles()
                let asking = try AskingTests.ask(loop, count: 20)
                for connection in asking { connection.close() }
                #expect(holds { openFiles() <= before })
                try loop.shared.inquiries.tell()
                #expect(try loop.connect().ask("/ask")?.text == "told GET 0 0")
            }
        }
    }

    private static func request(_ body: [UInt8] = []) -> Request {
        Request(method: .get, target: Target(raw: Array("/".utf8)[...], mountPoint: []), body: .whole(body))
    }

    private static func entry(
        until: Int64, body: [UInt8] = [], client: String = "", _ isOver: @escaping () -> Bool = { false }
    ) -> AskingRequests.Entry {
        AskingRequests.Entry(
            request: request(body), pending: Pending(isOver: isOver, giveUp: { .notFound }), until: until,
            client: client)
    }

    @Test func `a request waits until it is known or its time is up`() {
        var asking = AskingRequests()
        #expect(asking.deadline(now: 0) == 8_000_000)
        asking.add(Self.entry(until: 100), token: 1)
        asking.add(Self.entry(until: 200) { true }, token: 2)
        asking.add(Self.entry(until: 300), token: 3)
        #expect(asking.nextDeadline == 100)
        // What is known is not looked at where nothing has become known.
        #expect(asking.takeOver(hasNews: false, now: 99).isEmpty)
        #expect(asking.takeOver(hasNews: true, now: 99).map(\.token) == [2])
        #expect(asking.takeOver(hasNews: false, now: 100).map(\.token) == [1])
        #expect(asking.nextDeadline == 300)
        asking.end(by: 250)
        #expect(asking.nextDeadline == 250 && asking.deadline(now: 245) == 250)
        #expect(asking.takeOver(hasNews: false, now: 250).map(\.token) == [3])
        #expect(asking.nextDeadline == .max)
    }

    @Test func `no more wait than may, and no more than half of them of one address`() {
        var asking = AskingRequests()
        for token in 0..<UInt64(AskingRequests.limit) {
            let client = token < AskingRequests.limit / 2 ? "192.0.2.1" : "192.0.2.2"
            #expect(asking.hasRoom(for: client, Self.request()))
            asking.add(Self.entry(until: 1, client: client), token: token)
            if token == UInt64(AskingRequests.addressLimit - 1) {
                #expect(!asking.hasRoom(for: "192.0.2.1", Self.request()))
            }
        }
        #expect(!asking.hasRoom(for: "192.0.2.3", Self.request()))
        asking.remove(7)
        #expect(asking.hasRoom(for: "192.0.2.3", Self.request()))
    }

    @Test func `bodies that wait are counted, in all and by address`() {
        var asking = AskingRequests()
        let half = [UInt8](repeating: 0, count: AskingRequests.addressBodyBytes)
        asking.add(Self.entry(until: 1, body: half, client: "192.0.2.1"), token: 1)
        #expect(!asking.hasRoom(for: "192.0.2.1", Self.request([0])))
        #expect(asking.hasRoom(for: "192.0.2.2", Self.request(half)))
        asking.add(Self.entry(until: 1, body: half, client: "192.0.2.2"), token: 2)
        #expect(!asking.hasRoom(for: "192.0.2.3", Self.request([0])))
        asking.remove(1)
        #expect(asking.hasRoom(for: "192.0.2.1", Self.request(half)))
    }
}
