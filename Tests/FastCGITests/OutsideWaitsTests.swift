import HTTP
import HTTPTypes
import Linux
import Synchronization
import TestSupport
import Testing

@testable import FastCGI

/// Requests that wait for somebody outside to answer.
@Suite struct OutsideWaitsTests {
    private static func ask(_ loop: RunningLoop, count: Int = 1) throws -> [WireConnection] {
        let connections = try (0..<count).map { _ in try loop.connect() }
        for connection in connections { try connection.send(Wire.request("/ask")) }
        #expect(holds { loop.shared.parked.load(ordering: .relaxed) >= count })
        return connections
    }

    @Test func `all who wait go on, and nobody else waits with them`() throws {
        try RunningLoop.with { loop in
            let asking = try Self.ask(loop, count: 30)
            #expect(try loop.connect().ask("/body")?.status == 200)
            try loop.shared.source.tell()
            for connection in asking {
                #expect(try connection.answer()?.text == "told GET 0 0")
                #expect(try connection.ask("/body")?.status == 200)
            }
            #expect(loop.shared.answered.load(ordering: .relaxed) == 30 + 31)
        }
    }

    @Test func `a change of the store and a hang-up signal leave them waiting`() throws {
        try RunningLoop.with { loop in
            let asking = try Self.ask(loop)
            loop.shared.publish()
            loop.send(Signal.hangUp)
            #expect(try loop.connect().ask("/body")?.status == 200)
            try loop.shared.source.tell()
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
            try loop.shared.source.tell()
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
            loop.shared.source.hasBegun.store(true, ordering: .sequentiallyConsistent)
            loop.send(Signal.terminate)
            SystemClock.sleep(microseconds: 100_000)
            let hasEnded = loop.shared.hasEnded.load(ordering: .sequentiallyConsistent)
            #expect(!hasEnded)
            try loop.shared.source.tell()
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a stop does not wait for it for ever`() throws {
        try RunningLoop.with(shutdownSeconds: 0.3) { loop in
            loop.shared.source.hasBegun.store(true, ordering: .sequentiallyConsistent)
            loop.send(Signal.terminate)
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `whoever goes away while asking is forgotten`() async {
        await #expect(processExitsWith: .success) {
            try RunningLoop.with { loop in
                #expect(try loop.connect().ask("/body")?.status == 200)
                let before = openFiles()
                let asking = try OutsideWaitsTests.ask(loop, count: 20)
                for connection in asking { connection.close() }
                #expect(holds { openFiles() <= before })
                try loop.shared.source.tell()
                #expect(try loop.connect().ask("/ask")?.text == "told GET 0 0")
            }
        }
    }

    private static func entry(
        until: Int64, bodyBytes: Int = 0, client: String = "", isDue: Bool = false
    ) -> OutsideWaits.Entry {
        let wakeup = Wakeup()
        if isDue { wakeup.wake() }
        return OutsideWaits.Entry(wakeup: wakeup, until: until, client: client, bodyBytes: bodyBytes)
    }

    @Test func `a request waits until it is known or its time is up`() {
        var waits = OutsideWaits()
        #expect(waits.deadline(now: 0) == 8_000_000)
        waits.add(Self.entry(until: 100), token: 1)
        waits.add(Self.entry(until: 200, isDue: true), token: 2)
        waits.add(Self.entry(until: 300), token: 3)
        #expect(waits.nextDeadline == 100)
        // What is due is not looked at where nothing has become known.
        #expect(waits.takeOver(hasNews: false, now: 99).isEmpty)
        #expect(waits.takeOver(hasNews: true, now: 99).map(\.token) == [2])
        #expect(waits.takeOver(hasNews: false, now: 100).map(\.token) == [1])
        #expect(waits.nextDeadline == 300)
        waits.end(by: 250)
        #expect(waits.nextDeadline == 250 && waits.deadline(now: 245) == 250)
        #expect(waits.takeOver(hasNews: false, now: 250).map(\.token) == [3])
        #expect(waits.nextDeadline == .max)
    }

    @Test func `no more wait than may, and no more than half of them of one address`() {
        var waits = OutsideWaits()
        for token in 0..<UInt64(OutsideWaits.limit) {
            let client = token < OutsideWaits.limit / 2 ? "192.0.2.1" : "192.0.2.2"
            #expect(waits.hasRoom(for: client, bodyBytes: 0))
            waits.add(Self.entry(until: 1, client: client), token: token)
            if token == UInt64(OutsideWaits.addressLimit - 1) {
                #expect(!waits.hasRoom(for: "192.0.2.1", bodyBytes: 0))
            }
        }
        #expect(!waits.hasRoom(for: "192.0.2.3", bodyBytes: 0))
        waits.remove(7)
        #expect(waits.hasRoom(for: "192.0.2.3", bodyBytes: 0))
    }

    @Test func `bodies that wait are counted, in all and by address`() {
        var waits = OutsideWaits()
        let half = OutsideWaits.addressBodyBytes
        waits.add(Self.entry(until: 1, bodyBytes: half, client: "192.0.2.1"), token: 1)
        #expect(!waits.hasRoom(for: "192.0.2.1", bodyBytes: 1))
        #expect(waits.hasRoom(for: "192.0.2.2", bodyBytes: half))
        waits.add(Self.entry(until: 1, bodyBytes: half, client: "192.0.2.2"), token: 2)
        #expect(!waits.hasRoom(for: "192.0.2.3", bodyBytes: 1))
        waits.remove(1)
        #expect(waits.hasRoom(for: "192.0.2.1", bodyBytes: half))
    }
}
