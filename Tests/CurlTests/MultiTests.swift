import Curl
import Linux
import SystemPackage
import TestSupport
import Testing

@Suite struct MultiTests {
    @Test func `a hundred hanging requests do not delay the others`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests()
            for token in 0..<100 as Range<UInt64> {
                try multi.start(receiver.request("/hangs?fault=hang", timeout: 60_000), token: token)
            }
            for token in 100..<400 as Range<UInt64> {
                try multi.start(receiver.request("/\(token)?status=2\(token % 10)0"), token: token)
            }
            #expect(multi.inFlight == 400)
            var results: [UInt64: Exchange] = [:]
            let areThere = try holds {
                for (token, result) in try multi.wait(milliseconds: 1000) { results[token] = result }
                return results.count == 300
            }
            #expect(areThere && multi.inFlight == 100)
            for (token, result) in results { #expect(result.status == Int(200 + token % 10 * 10), "\(result)") }

            // Cancelled requests are gone at once; the others end with the Multi.
            for token in 0..<50 as Range<UInt64> { multi.cancel(token: token) }
            multi.cancel(token: 50_000)
            #expect(multi.inFlight == 50)
            #expect(try multi.wait(milliseconds: 0).isEmpty)
        }
    }

    @Test func `no more connections to a host are opened than the limit`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests(connectionsPerHost: 2)
            for token in 0..<20 as Range<UInt64> { try multi.start(receiver.request("/?delay=0.01"), token: token) }
            #expect(try multi.results().values.allSatisfy { $0.status == 200 })
            #expect(Set(try receiver.arrivals().map(\.conn)) == [1, 2])
        }
    }

    @Test func `a token can be reused once its request was cancelled`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests()
            try multi.start(receiver.request("/?fault=hang"), token: 7)
            multi.cancel(token: 7)
            try multi.start(receiver.request("/"), token: 7)
            #expect(try multi.results().mapValues(\.status) == [7: 200])
        }
    }

    @Test func `a wait ends when a descriptor is readable or the time is up, and not before`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests()
            let (readEnd, writeEnd) = try FileDescriptor.pipe()
            defer { for descriptor in [readEnd, writeEnd] { try? descriptor.close() } }
            #expect(try multi.wait(milliseconds: 0, descriptors: [readEnd]).isEmpty)
            let start = SystemClock.bootTimeMicroseconds()
            #expect(try multi.wait(milliseconds: 50, descriptors: [readEnd]).isEmpty)
            #expect(SystemClock.bootTimeMicroseconds() - start >= 50_000)

            try multi.start(receiver.request("/?fault=hang", timeout: 120_000), token: 1)
            #expect(try multi.wait(milliseconds: 50, descriptors: [readEnd]).isEmpty)
            let writer = PlainThread { _ = try? writeEnd.writeAll([1]) }
            #expect(try multi.wait(milliseconds: 100_000, descriptors: [readEnd]).isEmpty)
            writer.join()
            // It ends at once for as long as the descriptor is readable.
            #expect(try multi.wait(milliseconds: 100_000, descriptors: [readEnd]).isEmpty)
            #expect(SystemClock.bootTimeMicroseconds() - start < 50_000_000)
            #expect(multi.inFlight == 1)
        }
    }

    @Test func `waiting for an invalid descriptor is an error`() throws {
        let multi = try Multi.forTests()
        #expect(throws: CurlError.self) {
            try multi.wait(milliseconds: 0, descriptors: [FileDescriptor(rawValue: -1)])
        }
    }

    @Test func `a Multi closes its descriptors`() throws {
        try withReceiver { receiver in
            func use() throws {
                let multi = try Multi.forTests()
                for token in 0..<20 as Range<UInt64> { try multi.start(receiver.request("/\(token)"), token: token) }
                _ = try multi.wait(milliseconds: 1000)
            }
            try use()
            // Other tests open and close descriptors at the same time.
            let areGone = try holds {
                let before = openDescriptors()
                for _ in 0..<10 { try use() }
                return openDescriptors() < before + 20
            }
            #expect(areGone)
        }
    }

    @Test func `a connection that was idle for too long is not reused`() throws {
        try withReceiver { receiver in
            let multi = try Multi.forTests(idleSeconds: 1)
            _ = try multi.send(receiver.request("/"))
            _ = try multi.wait(milliseconds: 2500)
            #expect(try !multi.send(receiver.request("/")).isReusedConnection)
        }
    }
}
