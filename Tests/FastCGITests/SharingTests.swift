import Linux
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FastCGI

/// What clients share: the memory for responses, and the slots for waiting requests.
@Suite struct SharingTests {
    private func isClosed(_ connection: WireConnection) -> Bool {
        // The loop does not read this byte; sending fails once the connection is closed.
        (try? connection.sendSome([0])) == nil
    }

    @Test func `a client that reads nothing of its response is disconnected, and one that waits for news is not`()
        throws
    {
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

    @Test func `a client that reads its response slowly is not disconnected`() throws {
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

    @Test func `one address can use only its share of the memory for long responses`() throws {
        // Room for four responses, of which one address can have one.
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
            // A /64 network of IPv6 counts as one address.
            let others = try ["192.0.2.2", "2001:db8::1", "192.0.2.3"].map(ask)
            #expect(holds { loop.shared.answered.load(ordering: .relaxed) == 5 })
            #expect(try refused("2001:db8::2"))
            // Now all of the memory is taken; short responses are still sent.
            #expect(try refused("192.0.2.4"))
            #expect(try loop.connect().ask("/body")?.status == 200)
            first.close()
            let last = try ask("192.0.2.4")
            #expect(holds { (try? last.bytes(100_000)) != nil })
            withExtendedLifetime(others) {}
        }
    }

    @Test func `one address can have half of the slots for waiting requests, and one subject a quarter`() throws {
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
            // All slots are taken. An address without one gets the slot of an address with four.
            let late = try ask("192.0.2.3", 20)
            loop.shared.publish()
            #expect(try late.answer()?.text == "news")
            let texts = try (own + others).map { try $0.answer()?.text }
            #expect(texts.count { $0 == "news" } == 7 && texts.count { $0 == "too many wait" } == 1)
        }
    }
}
