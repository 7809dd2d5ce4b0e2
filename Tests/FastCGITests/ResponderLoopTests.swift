import Glibc
import Linux
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FastCGI

@Suite struct ResponderLoopTests {
    @Test func `one connection serves ten thousand requests`() throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            for index in 0..<10_000 {
                let answer = try connection.ask(index % 2 == 0 ? "/body" : "/stored")
                guard answer?.status == (index % 2 == 0 ? 200 : 201) else {
                    Issue.record("request \(index)")
                    return
                }
            }
        }
    }

    @Test func `requests that are sent in one write are answered in order`() throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            let bodies = (0..<50).map { [UInt8](repeating: UInt8($0), count: $0 * 100) }
            let requests = bodies.enumerated().flatMap { Wire.request("/body", id: UInt16($0 + 1), body: $1) }
            try connection.send(requests)
            for (index, body) in bodies.enumerated() {
                let answer = try connection.answer()
                #expect(answer?.id == UInt16(index + 1))
                #expect(answer?.text == description(of: body))
            }
        }
    }

    @Test func `a request that arrives byte by byte delays no other`() throws {
        try RunningLoop.with { loop in
            let slow = try loop.connect()
            let fast = try loop.connect()
            let request = Wire.request("/body", body: Array("slow".utf8), padding: 1)
            for byte in request {
                try slow.send([byte])
                #expect(try fast.ask("/body")?.status == 200)
            }
            #expect(try slow.answer()?.text == description(of: Array("slow".utf8)))
        }
    }

    @Test func `other requests are answered between the parts of a response`() throws {
        try RunningLoop.with { loop in
            let (first, second) = (try loop.connect(), try loop.connect())
            for connection in [first, second] { try connection.send(Wire.request("/parts")) }
            let other = try loop.connect()
            for _ in 0..<100 { #expect(try other.ask("/stored")?.status == 201) }
            loop.shared.endsParts.store(true, ordering: .sequentiallyConsistent)
            let texts = [try first.answer()?.text, try second.answer()?.text].compactMap { $0 }
            #expect(texts.count == 2 && texts.allSatisfy { $0.hasPrefix("begun ") })
            let counts = texts.map { $0.split(separator: " ").count - 1 }
            #expect(counts.reduce(0, +) == loop.shared.parts.load(ordering: .relaxed))
            #expect(counts.allSatisfy { $0 > 10 })
            #expect(try first.ask("/body")?.status == 200)
        }
    }

    @Test func `a response whose commit fails has no further parts`() throws {
        try RunningLoop.with { loop in
            loop.shared.failsToCommit.store(true, ordering: .relaxed)
            let connection = try loop.connect()
            #expect(try connection.ask("/parts")?.text == "not kept: parts")
            #expect(try connection.ask("/body")?.status == 200)
            #expect(loop.shared.parts.load(ordering: .relaxed) == 0)
        }
    }

    @Test func `a response whose next part fails is cut off`() throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            try connection.send(Wire.request("/parts"))
            #expect(holds { loop.shared.parts.load(ordering: .relaxed) > 3 })
            loop.shared.failsParts.store(true, ordering: .sequentiallyConsistent)
            #expect(try connection.answer() == nil)
            #expect(try loop.connect().ask("/body")?.status == 200)
        }
    }

    @Test func `a failed commit is reported to the requests that wrote, and to no others`() throws {
        try RunningLoop.with { loop in
            loop.shared.failsToCommit.store(true, ordering: .relaxed)
            let connection = try loop.connect()
            let answer = try connection.ask("/stored")
            #expect(answer?.status == 503 && answer?.text == "not kept: stored")
            #expect(try connection.ask("/body")?.status == 200)
            loop.shared.failsToCommit.store(false, ordering: .relaxed)
            #expect(try connection.ask("/stored")?.status == 201)
        }
    }

    @Test func `a request that writes nothing is answered before the commit of its turn`() throws {
        try RunningLoop.with { loop in
            loop.shared.holdsCommit.store(true, ordering: .sequentiallyConsistent)
            let connection = try loop.connect()
            try connection.send(Wire.request("/body", id: 1) + Wire.request("/stored", id: 2))
            #expect(try connection.answer()?.status == 200)
            #expect(loop.shared.commits.load(ordering: .relaxed) == 0)
            loop.shared.holdsCommit.store(false, ordering: .sequentiallyConsistent)
            #expect(try connection.answer()?.status == 201)
            #expect(loop.shared.commits.load(ordering: .relaxed) == 1)
        }
    }

    @Test func `a turn ends with a commit even if no request wrote anything`() throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            #expect(try connection.ask("/body")?.status == 200)
            #expect(holds { loop.shared.commits.load(ordering: .relaxed) == 1 })
        }
    }

    @Test func `an answer to a write waits until the write is durable`() throws {
        try RunningLoop.with { loop in
            loop.shared.isDurabilitySlow.store(true, ordering: .relaxed)
            let connection = try loop.connect()
            #expect(try connection.ask("/stored")?.status == 201)
            #expect(loop.shared.flushes.load(ordering: .sequentiallyConsistent) == 1)
            loop.shared.failsToFlush.store(true, ordering: .relaxed)
            #expect(try connection.ask("/stored")?.status == 503)
        }
    }

    @Test func `an answer that may show a write waits until the write is durable, in the background too`() throws {
        try RunningLoop.with { loop in
            loop.shared.isDurabilitySlow.store(true, ordering: .relaxed)
            loop.shared.flushesInBackground.store(true, ordering: .relaxed)
            let (writer, reader) = (try loop.connect(), try loop.connect())
            try writer.send(Wire.request("/stored"))
            #expect(holds { loop.shared.flushes.load(ordering: .sequentiallyConsistent) > 0 })
            try reader.send(Wire.request("/body"))
            #expect(holds { loop.shared.answered.load(ordering: .relaxed) == 2 })
            // A turn ends with a flush: after two more, an answer that does not wait would be on its way.
            for _ in 0..<2 {
                let before = loop.shared.flushes.load(ordering: .sequentiallyConsistent)
                try loop.shared.source.finish()
                #expect(holds { loop.shared.flushes.load(ordering: .sequentiallyConsistent) > before })
            }
            #expect(!writer.hasBytes && !reader.hasBytes)
            loop.shared.durable.store(1, ordering: .sequentiallyConsistent)
            try loop.shared.source.finish()
            #expect(try writer.answer()?.status == 201)
            #expect(try reader.answer()?.status == 200)
        }
    }

    @Test func `under load every request is answered, with no more flushes than commits`() throws {
        try RunningLoop.with { loop in
            loop.shared.isDurabilitySlow.store(true, ordering: .relaxed)
            let connections = try (0..<20).map { _ in try loop.connect() }
            for _ in 0..<50 {
                for connection in connections { try connection.send(Wire.request("/stored")) }
                for connection in connections { #expect(try connection.answer()?.status == 201) }
            }
            let flushes = loop.shared.flushes.load(ordering: .sequentiallyConsistent)
            #expect(flushes >= 1 && flushes <= loop.shared.commits.load(ordering: .relaxed))
        }
    }

    @Test func `requests that arrive during a commit share the next one`() throws {
        try RunningLoop.with { loop in
            let connections = try (0..<30).map { _ in try loop.connect() }
            for connection in connections { #expect(try connection.ask("/stored")?.status == 201) }
            loop.shared.holdsCommit.store(true, ordering: .sequentiallyConsistent)
            let before = loop.shared.commits.load(ordering: .relaxed)
            for connection in connections { try connection.send(Wire.request("/stored")) }
            loop.shared.holdsCommit.store(false, ordering: .sequentiallyConsistent)
            for connection in connections { #expect(try connection.answer()?.status == 201) }
            // One that was under way, one of the first request, one of the others, and one after the answers.
            #expect(loop.shared.commits.load(ordering: .relaxed) - before <= 4)
        }
    }

    @Test func `a large response to a slow reader delays no other`() throws {
        try RunningLoop.with { loop in
            let slow = try loop.connect()
            let count = 20_000_000
            try slow.send(Wire.request("/large?bytes=\(count)"))
            let fast = try loop.connect()
            for _ in 0..<200 { #expect(try fast.ask("/body")?.status == 200) }
            let answer = try #require(try slow.answer())
            #expect(answer.body == largeBody(count))
            #expect(try slow.ask("/body")?.status == 200)
        }
    }

    @Test func `a client may disconnect while it reads a large response`() throws {
        try RunningLoop.with { loop in
            for _ in 0..<5 {
                let connection = try loop.connect()
                try connection.send(Wire.request("/large?bytes=5000000"))
                _ = try connection.bytes(100_000)
            }
            #expect(try loop.connect().ask("/body")?.status == 200)
        }
    }

    @Test func `a request that arrives while a response is being read is answered after it`() throws {
        try RunningLoop.with { loop in
            let connection = try loop.connect()
            try connection.send(Wire.request("/large?bytes=3000000"))
            // Sent before that, it could be read together with the first request.
            var buffer: [UInt8] = [0]
            #expect(holds { (try? UnixSocket.peek(connection.descriptor, into: &buffer)) == 1 })
            try connection.send(Wire.request("/body"))
            #expect(try connection.answer()?.body.count == 3_000_000)
            #expect(try connection.answer()?.text == description(of: []))
        }
    }

    @Test func `clients that disconnect leave no descriptor open`() async {
        await #expect(processExitsWith: .success) {
            try RunningLoop.with { loop in
                #expect(try loop.connect().ask("/body")?.status == 200)
                let before = openFiles()
                let large = Wire.request("/body", body: [UInt8](repeating: 1, count: 200_000))
                for round in 0..<50 {
                    var connections = try (0..<8).map { _ in try loop.connect() }
                    #expect(try connections[0].ask("/body")?.status == 200)
                    try connections[1].send(Array(large.prefix(100_000)))
                    try connections[2].send(Wire.request("/wait"))
                    try connections[3].send(Wire.begin() + Wire.begin())
                    try connections[4].send(Wire.begin() + Wire.record(4, 1, [5]) + Wire.record(4) + Wire.record(5))
                    try connections[5].send(Wire.request("/large?bytes=1000000"))
                    #expect(try connections[6].ask("/body", body: [UInt8](repeating: 1, count: 300_000))?.status == 200)
                    try connections[7].send(Array(large.prefix(90_000)))
                    if round % 2 == 0 { connections.reverse() }
                    connections.removeAll()
                }
                #expect(holds { openFiles() <= before }, "\(openFiles()) instead of \(before)")
            }
        }
    }

    @Test func `when descriptors run out, new clients are served later, and the others meanwhile`() async {
        await #expect(processExitsWith: .success) {
            try RunningLoop.with { loop in
                let first = try loop.connect()
                var clients = try (0..<40).map { _ in try loop.connect() }
                for client in [first] + clients { #expect(try client.ask("/body")?.status == 200) }
                // Client and loop are one process: the last client to get a descriptor leaves the loop none.
                var limit = rlimit()
                let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
                unsafe getrlimit(resource, &limit)
                var late: [WireConnection] = []
                // Swift's runtime may take it instead.
                while late.isEmpty {
                    limit.rlim_cur = rlim_t(openDescriptors() + 1)
                    unsafe setrlimit(resource, &limit)
                    while late.count < 8, let client = try? loop.connect() { late.append(client) }
                }
                #expect(late.count < 8)
                for client in late { try client.send(Wire.request("/body")) }
                for _ in 0..<50 { #expect(try first.ask("/stored")?.status == 201) }
                clients.removeAll()
                for client in late { #expect(try client.answer()?.status == 200) }
                #expect(try first.ask("/body")?.status == 200)
            }
        }
    }
}
