import HTTP
import HTTPTypes
import Linux
import Synchronization
import TestSupport
import Testing

@testable import FastCGI

/// Requests that wait for a result from outside of the loop.
@Suite struct OutsideWaitsTests {
    private static func ask(_ loop: RunningLoop, count: Int = 1) throws -> [WireConnection] {
        let connections = try (0..<count).map { _ in try loop.connect() }
        for connection in connections { try connection.send(Wire.request("/ask")) }
        #expect(holds { loop.shared.parked.load(ordering: .relaxed) >= count })
        return connections
    }

    @Test func `a result resumes all requests that wait for it, and delays no others`() throws {
        try RunningLoop.with { loop in
            let asking = try Self.ask(loop, count: 30)
            #expect(try loop.connect().ask("/body")?.status == 200)
            try loop.shared.source.finish()
            for connection in asking {
                #expect(try connection.answer()?.text == "done GET 0 0")
                #expect(try connection.ask("/body")?.status == 200)
            }
            #expect(loop.shared.answered.load(ordering: .relaxed) == 30 + 31)
        }
    }

    @Test func `a change of the store or a hang-up signal does not end the wait`() throws {
        try RunningLoop.with { loop in
            let asking = try Self.ask(loop)
            loop.shared.publish()
            loop.send(Signal.hangUp)
            #expect(try loop.connect().ask("/body")?.status == 200)
            try loop.shared.source.finish()
            #expect(try asking[0].answer()?.text == "done GET 0 0")
        }
    }

    @Test func `a stop waits for the results that requests wait for`() throws {
        try RunningLoop.with(shutdownSeconds: 60) { loop in
            let asking = try Self.ask(loop, count: 3)
            let idle = try loop.connect()
            #expect(try idle.ask("/body")?.status == 200)
            loop.send(Signal.terminate)
            #expect(try idle.isClosed())
            try loop.shared.source.finish()
            for connection in asking {
                #expect(try connection.answer()?.text == "done GET 0 0")
                #expect(try connection.isClosed())
            }
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a stop answers the requests that still wait when its time is up`() throws {
        try RunningLoop.with(shutdownSeconds: 1) { loop in
            let asking = try Self.ask(loop, count: 3)
            loop.send(Signal.terminate)
            for connection in asking { #expect(try connection.answer()?.text == "too late") }
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a stop waits for work that has begun, even if no request waits for it`() throws {
        try RunningLoop.with { loop in
            loop.shared.source.hasBegun.store(true, ordering: .sequentiallyConsistent)
            loop.send(Signal.terminate)
            SystemClock.sleep(microseconds: 100_000)
            let hasEnded = loop.shared.hasEnded.load(ordering: .sequentiallyConsistent)
            #expect(!hasEnded)
            try loop.shared.source.finish()
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a stop waits for such work only until its time is up`() throws {
        try RunningLoop.with(shutdownSeconds: 0.3) { loop in
            loop.shared.source.hasBegun.store(true, ordering: .sequentiallyConsistent)
            loop.send(Signal.terminate)
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a client that disconnects while it waits for a result leaves no descriptor open`() async {
        await #expect(processExitsWith: .success) {
            try RunningLoop.with { loop in
                #expect(try loop.connect().ask("/body")?.status == 200)
                let before = openFiles()
                let asking = try OutsideWaitsTests.ask(loop, count: 20)
                for connection in asking { connection.close() }
                #expect(holds { openFiles() <= before })
                try loop.shared.source.finish()
                #expect(try loop.connect().ask("/ask")?.text == "done GET 0 0")
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

    @Test func `a request waits until its result is there or its time is up`() {
        var waits = OutsideWaits()
        #expect(waits.deadline(now: 0) == 8_000_000)
        waits.add(Self.entry(until: 100), token: 1)
        waits.add(Self.entry(until: 200, isDue: true), token: 2)
        waits.add(Self.entry(until: 300), token: 3)
        #expect(waits.nextDeadline == 100)
        // Without news only the deadlines are checked.
        #expect(waits.takeOver(hasNews: false, now: 99).isEmpty)
        #expect(waits.takeOver(hasNews: true, now: 99).map(\.token) == [2])
        #expect(waits.takeOver(hasNews: false, now: 100).map(\.token) == [1])
        #expect(waits.nextDeadline == 300)
        waits.end(by: 250)
        #expect(waits.nextDeadline == 250 && waits.deadline(now: 245) == 250)
        #expect(waits.takeOver(hasNews: false, now: 250).map(\.token) == [3])
        #expect(waits.nextDeadline == .max)
    }

    @Test func `the number of waiting requests is limited, and one address can have half of them`() {
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

    @Test func `the bytes of waiting bodies are limited, in all and by address`() {
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
