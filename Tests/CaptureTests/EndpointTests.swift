import HTTP
import TestSupport
import Testing
import Values

@testable import Capture

@Suite struct EndpointTests {
    private func endpoint(uncollected: UInt64 = 1, next: UInt64 = 1, isEnabled: Bool = true) throws -> Endpoint {
        let id = try #require(Endpoint.ID(bytes: [UInt8](repeating: 7, count: 24)))
        return Endpoint(
            id: id, number: 1, isEnabled: isEnabled, created: Timestamp(microseconds: 0),
            lastUsed: Timestamp(microseconds: 5_000_000), uncollected: uncollected, next: next)
    }

    @Test(arguments: [(15_000_000, false), (15_000_001, true), (4_000_000, false)] as [(Int64, Bool)])
    func `an endpoint is overdue once it was idle for longer than the limit`(now: Int64, isOverdue: Bool) throws {
        let limits = CaptureLimits(idleSeconds: 10, lifetimeSeconds: 100)
        #expect(try endpoint().isOverdue(at: Timestamp(microseconds: now), limits) == isOverdue)
    }

    @Test(
        arguments: [
            (nil, false, 100, 15), (nil, false, 12, 12), (7, false, 100, 7), (20, false, 100, 15),
            (nil, true, 100, nil), (20, true, 12, 20), (nil, false, 1e300, 15),
        ] as [(Int64?, Bool, Double, Int64?)])
    func `an endpoint that is not used ends when it expires, is idle or is old, whichever is first`(
        expires: Int64?, isPinned: Bool, lifetime: Double, end: Int64?
    ) throws {
        func time(_ seconds: Int64) -> Timestamp { Timestamp(microseconds: seconds * 1_000_000) }
        let limits = CaptureLimits(idleSeconds: 10, lifetimeSeconds: lifetime)
        var endpoint = try endpoint()
        endpoint.settings.expires = expires.map(time)
        endpoint.settings.isPinned = isPinned
        #expect(endpoint.end(limits) == end.map(time))
        guard let end = endpoint.end(limits) else {
            return #expect(!endpoint.isOverdue(at: Timestamp(microseconds: .max), limits))
        }
        #expect(!endpoint.isOverdue(at: Timestamp(microseconds: end.microseconds - 1), limits))
        #expect(endpoint.isOverdue(at: Timestamp(microseconds: end.microseconds + 1), limits))
    }

    @Test func `an id of 24 bytes is written as 32 characters of URL-safe Base64`() throws {
        var random = SystemRandomNumberGenerator()
        let ids = (0..<100).map { _ in Endpoint.ID(random: &random) }
        #expect(Set(ids).count == 100)
        for id in ids {
            #expect(id.description.utf8.count == 32)
            #expect(Endpoint.ID(id.description) == id)
            #expect(Endpoint.ID(bytes: id.bytes) == id)
        }
        let text = ids[0].description
        for other in [
            "", String(text.dropLast()), text + "A", String(text.dropLast()) + "=", String(text.dropLast()) + "é",
            String(text.dropLast()) + "+",
        ] {
            #expect(Endpoint.ID(other) == nil)
        }
        #expect(Endpoint.ID(bytes: [1]) == nil)
    }

    @Test(arguments: [0, 1, 255, 256, 1 << 47, (1 << 48) - 1] as [UInt64])
    func `an id can begin with a number, and the rest stays`(number: UInt64) {
        // Not the system's generator: it has no content and so no address, and the thread sanitizer would read at `number`.
        var random = SeededGenerator(seed: number)
        let id = Endpoint.ID(random: &random)
        #expect(id.numbered(number).number == number)
        #expect(id.numbered(number).bytes.dropFirst(6) == id.bytes.dropFirst(6))
        #expect(Endpoint.ID(id.numbered(number).description) == id.numbered(number))
    }

    @Test func `an id with a higher number sorts behind the others`() {
        var random = SystemRandomNumberGenerator()
        let ids = [1, 2, 255, 256, 70_000].map { Endpoint.ID(random: &random).numbered($0).bytes }
        for (lower, higher) in zip(ids, ids.dropFirst()) { #expect(lower.lexicographicallyPrecedes(higher)) }
    }
}

@Suite struct EndpointBytesTests {
    @Test(arguments: [(0, 100, true), (60, 40, true), (60, 41, false), (101, 0, false)])
    func `an endpoint stores notifications up to its limit of bytes`(kept: Int, size: Int, isStored: Bool) throws {
        let id = try #require(Endpoint.ID(bytes: [UInt8](repeating: 1, count: 24)))
        let now = Timestamp(microseconds: 0)
        let endpoint = Endpoint(id: id, number: 1, created: now, lastUsed: now, next: 2, bytes: UInt64(kept))
        let acceptance = endpoint.acceptance(hasSubpath: false, size: size, CaptureLimits(bytesPerEndpoint: 100))
        #expect(acceptance == (isStored ? .stored : .tooManyBytes))
    }

    @Test(
        arguments: [
            (1024, 0, 0, true), (1024, 895, 895, true), (1024, 896, 896, false), (1024, 896, 127, true),
            (1024, 896, 128, false), (1024, 1023, 0, true), (1024, 1023, 1, false), (1024, 1024, 0, false),
            (4, 3, 3, true), (4, 4, 0, false), (0, 0, 0, false), (-1, 0, 0, false),
        ])
    func `the last eighth of the endpoints is for addresses that have few`(
        limit: Int, total: Int, own: Int, isAllowed: Bool
    ) {
        #expect(CaptureLimits(endpoints: limit).mayCreate(total: total, own: own) == isAllowed)
    }
}
