import Linux
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FastCGI

/// Requests that wait for news.
@Suite struct WaitingTests {
    private func park(_ loop: RunningLoop, _ target: String = "/wait", count: Int = 1) throws -> [WireConnection] {
        let connections = try (0..<count).map { _ in try loop.connect() }
        for connection in connections { try connection.send(Wire.request(target)) }
        #expect(holds { loop.shared.parked.load(ordering: .relaxed) >= count })
        return connections
    }

    @Test func `news answers all waiting requests, and their connections can be used again`() throws {
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

    @Test func `more requests can wait than there are idle tasks, and their connections can be used again`() throws {
        try RunningLoop.with { loop in
            let waiting = try park(loop, count: 150)
            loop.shared.publish()
            for connection in waiting { #expect(try connection.answer()?.text == "news") }
            for connection in waiting { try connection.send(Wire.request("/stored")) }
            for connection in waiting { #expect(try connection.answer()?.status == 201) }
        }
    }

    @Test func `a change without news does not end the wait`() throws {
        try RunningLoop.with { loop in
            let waiting = try park(loop)
            // The first look comes without a change.
            #expect(holds { loop.shared.looks.load(ordering: .relaxed) > 0 })
            loop.shared.version.wrappingAdd(1, ordering: .sequentiallyConsistent)
            #expect(holds { loop.shared.looks.load(ordering: .relaxed) > 1 })
            loop.shared.publish()
            #expect(try waiting[0].answer()?.text == "news")
        }
    }

    @Test(arguments: [0, 1, 300])
    func `a request without news is answered when its time is up, and not before`(milliseconds: Int) throws {
        try RunningLoop.with { loop in
            let start = SystemClock.bootTimeMicroseconds()
            let answer = try loop.connect().ask("/wait?ms=\(milliseconds)")
            #expect(answer?.text == "nothing")
            #expect(SystemClock.bootTimeMicroseconds() - start >= Int64(milliseconds) * 1000)
        }
    }

    @Test func `while nothing changes the service is not asked for news`() throws {
        try RunningLoop.with { loop in
            let waiting = try park(loop, "/wait?ms=600", count: 3)
            for connection in waiting { #expect(try connection.answer()?.text == "nothing") }
            // Some looks at the beginning: whether something changed before they arrived is not known.
            #expect(loop.shared.looks.load(ordering: .relaxed) <= 6)
        }
    }

    @Test func `a hang-up signal answers the waiting requests, and the loop goes on`() throws {
        try RunningLoop.with { loop in
            let waiting = try park(loop, count: 5)
            loop.send(Signal.hangUp)
            for connection in waiting { #expect(try connection.answer()?.text == "nothing") }
            #expect(try waiting[0].ask("/body")?.status == 200)
        }
    }

    @Test(arguments: [Signal.terminate, Signal.interrupt])
    func `a stop answers the waiting requests, closes idle connections and ends the loop`(signal: CInt) throws {
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

    @Test func `a stop lets a client read its response to the end`() throws {
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

    @Test func `a stop waits for a reader only until its time is up`() throws {
        try RunningLoop.with(shutdownSeconds: 0.2) { loop in
            let connection = try loop.connect()
            try connection.send(Wire.request("/large?bytes=5000000"))
            _ = try connection.bytes(8)
            loop.send(Signal.terminate)
            #expect(holds { loop.shared.hasEnded.load(ordering: .sequentiallyConsistent) })
        }
    }

    @Test func `a client that disconnects while it waits leaves no descriptor open`() async {
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

    @Test func `a client that disconnects before its wait begins leaves no descriptor open`() async {
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
