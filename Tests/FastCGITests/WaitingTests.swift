import Linux
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FastCGI

/// Requests that are answered later.
@Suite struct WaitingTests {
    private func park(_ loop: RunningLoop, _ target: String = "/wait", count: Int = 1) throws -> [WireConnection] {
        let connections = try (0..<count).map { _ in try loop.connect() }
        for connection in connections { try connection.send(Wire.request(target)) }
        #expect(holds { loop.shared.parked.load(ordering: .relaxed) >= count })
        return connections
    }

    @Test func `a change answers all who wait for it, and their connections go on`() throws {
        try RunningLoop.with { loop in
            let waiting = try park(loop, count: 30)
            #expect(try loop.connect().ask("/body")?.status == 200)
            loop.shared.publish()
            for connection in waiting {
                #expect(try connection.answer()?.text == "news")
                #expect(try connection.ask("/body")?.status == 200)
            }
        }
    }

    @Test func `more requests wait than idle tasks are kept, and their connections go on`() throws {
        try RunningLoop.with { loop in
            let waiting = try park(loop, count: 150)
            loop.shared.publish()
            for connection in waiting { #expect(try connection.answer()?.text == "news") }
            for connection in waiting { try connection.send(Wire.request("/stored")) }
            for connection in waiting { #expect(try connection.answer()?.status == 201) }
        }
    }

    @Test func `a change that is none of theirs leaves them waiting`() throws {
        try RunningLoop.with { loop in
            let waiting = try park(loop)
            // Not the first look, which comes without a change.
            #expect(holds { loop.shared.looks.load(ordering: .relaxed) > 0 })
            loop.shared.version.wrappingAdd(1, ordering: .sequentiallyConsistent)
            #expect(holds { loop.shared.looks.load(ordering: .relaxed) > 1 })
            loop.shared.publish()
            #expect(try waiting[0].answer()?.text == "news")
        }
    }

    @Test(arguments: [0, 1, 300])
    func `whoever waits in vain is told when the time is up, and not before`(milliseconds: Int) throws {
        try RunningLoop.with { loop in
            let start = SystemClock.bootTimeMicroseconds()
            let answer = try loop.connect().ask("/wait?ms=\(milliseconds)")
            #expect(answer?.text == "nothing")
            #expect(SystemClock.bootTimeMicroseconds() - start >= Int64(milliseconds) * 1000)
        }
    }

    @Test func `while nothing changes nobody looks`() throws {
        try RunningLoop.with { loop in
            let waiting = try park(loop, "/wait?ms=600", count: 3)
            for connection in waiting { #expect(try connection.answer()?.text == "nothing") }
            // Once for each at the most: what changed before they came is not known.
            #expect(loop.shared.looks.load(ordering: .relaxed) <= 6)
        }
    }

    @Test func `a hang-up signal sends home who waits, and the loop goes on`() throws {
        try RunningLoop.with { loop in
            let waiting = try park(loop, count: 5)
            loop.send(Signal.hangUp)
            for connection in waiting { #expect(try connection.answer()?.text == "nothing") }
            #expect(try waiting[0].ask("/body")?.status == 200)
        }
    }

    @Test(arguments: [Signal.terminate, Signal.interrupt])
    func `a stop answers who waits, closes what idles and ends the loop`(signal: CInt) throws {
        try RunningLoop.with { loop in
            let idle = try loop.connect()
            #expect(try idle.ask("/body")?.status == 200)
            let waiting = try park(loop, count: 5)
            loop.send(signal)
            for connection in waiting {
                #expect(try connection.answer()?.text == "nothing")
                #expect(try connection.isClosed())
            }
            #expect(try idle.isClosed())
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a stop lets an answer be read to its end`() throws {
        try RunningLoop.with(shutdownSeconds: 60) { loop in
            let connection = try loop.connect()
            try connection.send(Wire.request("/large?bytes=5000000"))
            _ = try connection.bytes(8)
            loop.send(Signal.terminate)
            let rest = try #require(try connection.bytes(5_000_000))
            #expect(rest.count == 5_000_000)
            while try connection.bytes(1) != nil {}
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a stop does not wait for a reader for longer than it may`() throws {
        try RunningLoop.with(shutdownSeconds: 0.2) { loop in
            let connection = try loop.connect()
            try connection.send(Wire.request("/large?bytes=5000000"))
            _ = try connection.bytes(8)
            loop.send(Signal.terminate)
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a client that goes away while it waits is forgotten`() async {
        await #expect(processExitsWith: .success) {
            try RunningLoop.with { loop in
                let before = openFiles()
                for _ in 0..<10 {
                    let connections = try (0..<3).map { _ in try loop.connect() }
                    let parked = loop.shared.parked.load(ordering: .relaxed)
                    for connection in connections { try connection.send(Wire.request("/wait")) }
                    #expect(holds { loop.shared.parked.load(ordering: .relaxed) == parked + 3 })
                    for connection in connections { connection.close() }
                }
                #expect(holds { openFiles() <= before })
            }
        }
    }

    @Test func `a client that has gone before its wait begins is forgotten`() async {
        await #expect(processExitsWith: .success) {
            try RunningLoop.with { loop in
                #expect(try loop.connect().ask("/body")?.status == 200)
                let before = openFiles()
                for _ in 0..<100 {
                    let connection = try loop.connect()
                    try connection.send(Wire.request("/wait"))
                    connection.close()
                }
                #expect(holds { loop.shared.parked.load(ordering: .relaxed) == 100 })
                #expect(holds { openFiles() <= before }, "\(openFiles()) instead of \(before)")
            }
        }
    }
}
