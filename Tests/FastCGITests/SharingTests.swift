import Linux
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FastCGI

/// What clients share: memory for answers, and places to wait.
@Suite struct SharingTests {
    private func isClosed(_ connection: WireConnection) -> Bool {
        // A byte that the loop does not expect goes unnoticed until the connection is closed.
        (try? connection.sendSome([0])) == nil
    }

    @Test func `a connection that takes nothing of its answer is closed, and one that waits for news is not`() throws {
        try RunningLoop.with(sendSeconds: 0.3) { loop in
            let waiting = try loop.connect()
            try waiting.send(Wire.request("/wait"))
            #expect(holds { loop.shared.parked.load(ordering: .relaxed) == 1 })
            let slow = try loop.connect()
            try slow.send(Wire.request("/long"))
            #expect(holds { isClosed(slow) })
            loop.shared.publish()
            #expect(try waiting.answer()?.text == "news")
        }
    }

    @Test func `a connection that takes its answer bit by bit is not closed`() throws {
        try RunningLoop.with(sendSeconds: 1) { loop in
            let slow = try loop.connect()
            try slow.send(Wire.request("/large?bytes=4000000"))
            let start = SystemClock.bootTimeMicroseconds()
            var taken = 0
            while SystemClock.bootTimeMicroseconds() - start < 2_000_000 {
                taken += try #require(try slow.bytes(10_000)).count
                _ = holds(withinSeconds: 0.02) { false }
            }
            #expect(taken > 10_000 && taken < 4_000_000)
            #expect(!isClosed(slow))
        }
    }

    @Test func `one address has a share of the memory for long answers, and others have theirs`() throws {
        // Room for four answers, of which one address has one.
        try RunningLoop.with(answerBytes: 4 * AnswerRoom.partedBytes) { loop in
            func ask(_ address: String) throws -> WireConnection {
                let connection = try loop.connect()
                try connection.send(Wire.request("/long", address: address))
                return connection
            }
            func refused(_ address: String) throws -> Bool {
                try ask(address).answer()?.status == 503
            }
            let first = try ask("192.0.2.1")
            #expect(holds { loop.shared.answered.load(ordering: .relaxed) == 1 })
            #expect(try refused("192.0.2.1"))
            // An IPv6 network of 64 bits counts as one address.
            let others = try ["192.0.2.2", "2001:db8::1", "192.0.2.3"].map(ask)
            #expect(holds { loop.shared.answered.load(ordering: .relaxed) == 5 })
            #expect(try refused("2001:db8::2"))
            // Now all of it is taken; short answers are made as ever.
            #expect(try refused("192.0.2.4"))
            #expect(try loop.connect().ask("/body")?.status == 200)
            first.close()
            let last = try ask("192.0.2.4")
            #expect(holds { (try? last.bytes(100_000)) != nil })
            withExtendedLifetime(others) {}
        }
    }

    @Test func `one address has half of the places to wait, and what is waited for a quarter`() throws {
        try RunningLoop.with(parkedLimit: 8) { loop in
            func ask(_ address: String, _ subject: Int) throws -> WireConnection {
                let connection = try loop.connect()
                let before = loop.shared.parked.load(ordering: .relaxed)
                try connection.send(Wire.request("/wait?for=\(subject)", address: address))
                #expect(holds { loop.shared.parked.load(ordering: .relaxed) > before })
                return connection
            }
            let own = try (0..<4).map { try ask("192.0.2.1", $0 / 2) }
            #expect(try ask("192.0.2.1", 9).answer()?.status == 429)
            #expect(try ask("192.0.2.2", 0).answer()?.status == 429)
            let others = try (0..<4).map { try ask("192.0.2.2", 10 + $0) }
            // All places are taken. One of an address with four gives way to one that has none.
            let late = try ask("192.0.2.3", 20)
            loop.shared.publish()
            #expect(try late.answer()?.text == "news")
            let texts = try (own + others).map { try $0.answer()?.text }
            #expect(texts.count { $0 == "news" } == 7 && texts.count { $0 == "too many wait" } == 1)
        }
    }
}
