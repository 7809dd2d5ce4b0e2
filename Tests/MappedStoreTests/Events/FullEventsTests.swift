import Delivery
import Events
import HTTP
import StoreSupport
import TestSupport
import Testing
import Values

@testable import MappedStore

@Suite struct FullEventsTests {
    @Test func `events that were received before the store was full are still matched`() throws {
        try withTemporaryDirectory { directory in
            let store = try MappedStore(
                directory: directory, MappedStore.Options(maximumBytes: 16 << 20, isDurable: false))
            var random = SystemRandomNumberGenerator()
            let now = store.clock.now()
            #expect(try store.events.create(.example(UUID(random: &random), at: now.wall)) != nil)
            try store.commit()
            var (received, refused) = (0, 0)
            let body = Array("{\"a\": \"\(String(repeating: "x", count: 10_000))\"}".utf8)
            while refused < 50 {
                let event = ReceivedEvent(id: UUID(random: &random), type: "", body: body)
                do throws(StoreFailure) {
                    _ = try store.events.receive([event], for: nil, at: now)
                    received += 1
                } catch {
                    #expect(error == .full)
                    refused += 1
                }
                try store.commit()
            }
            let matcher = EventMatcher(store: store.matching)
            while try matcher.step(until: .farAhead, now: store.clock.now) { try store.commit() }
            try store.commit()
            let check = try store.check()
            #expect(check.deliveries == received && received > 500 && check.faults == [])
        }
    }
}
