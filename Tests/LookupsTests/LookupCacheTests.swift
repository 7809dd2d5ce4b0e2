import HTTP
import Testing
import Values

@testable import Lookups

/// Here `true` is fresh for 30 s, and used for up to 300 s if lookups are not answered; `false` is fresh for 5 s, and
/// not used when it is stale.
@Suite struct LookupCacheTests {
    private struct Cached {
        var cache: LookupCache<Int, Bool>
        var seconds = 0.0
        var now: Timestamp { Timestamp(microseconds: 1_000_000_000).adding(seconds: seconds) }

        init(pendingLimit: Int = 10, resultLimit: Int = 100) {
            cache = LookupCache(
                .init(
                    freshSeconds: { $0 ? 30 : 5 }, staleIfErrorSeconds: { $0 ? 300 : 0 }, pendingLimit: pendingLimit,
                    resultLimit: resultLimit))
        }

        /// The result as a word, with an exclamation mark if the caller must begin a lookup.
        mutating func find(_ key: Int = 1) -> String {
            let (result, begins) = cache.find(key, at: now)
            let word =
                switch result {
                case .found(let value): "\(value)"
                case nil: "pending"
                case .unanswered: "unanswered"
                case .tooMany: "too many"
                }
            return word + (begins ? "!" : "")
        }

        mutating func finish(_ value: Bool?, _ key: Int = 1) { cache.finish(key, value, at: now) }
    }

    @Test func `one lookup serves all requests that wait for its result`() {
        var cache = Cached()
        #expect(cache.find() == "pending!")
        for _ in 0..<1000 { #expect(cache.find() == "pending") }
        #expect(cache.find(2) == "pending!")
        cache.finish(true)
        #expect(cache.find() == "true" && cache.find(2) == "pending")
    }

    @Test(arguments: [(true, 30.0), (false, 5.0)])
    func `a result is used while it is fresh, and then looked up again`(value: Bool, seconds: Double) {
        var cache = Cached()
        _ = cache.find()
        cache.finish(value)
        cache.seconds = seconds - 0.001
        #expect(cache.find() == "\(value)")
        cache.seconds = seconds
        #expect(cache.find() == "pending!" && cache.find() == "pending")
        cache.finish(!value)
        #expect(cache.find() == "\(!value)")
    }

    @Test func `an unanswered lookup is repeated after a pause`() {
        var cache = Cached()
        _ = cache.find()
        cache.finish(nil)
        #expect(cache.find() == "unanswered")
        cache.seconds = 1.999
        #expect(cache.find() == "unanswered")
        cache.seconds = 2
        #expect(cache.find() == "pending!" && cache.find() == "pending")
        cache.finish(true)
        #expect(cache.find() == "true")
    }

    @Test func `a stale positive result is used while lookups are not answered, and lookups go on`() {
        var cache = Cached()
        _ = cache.find()
        cache.finish(true)
        cache.seconds = 30
        // The first request waits: it is not known yet that lookups are not answered.
        #expect(cache.find() == "pending!")
        cache.seconds = 33
        cache.finish(nil)
        #expect(cache.find() == "true")
        cache.seconds = 35
        #expect(cache.find() == "true!" && cache.find() == "true")
        cache.seconds = 38
        cache.finish(nil)
        cache.seconds = 299.999
        #expect(cache.find() == "true!")
        cache.finish(nil)
        cache.seconds = 300
        #expect(cache.find() == "unanswered")
    }

    @Test func `a new result replaces a stale one`() {
        var cache = Cached()
        _ = cache.find()
        cache.finish(true)
        cache.seconds = 40
        _ = cache.find()
        cache.finish(nil)
        cache.seconds = 45
        #expect(cache.find() == "true!")
        cache.finish(false)
        #expect(cache.find() == "false")
    }

    @Test func `a stale negative result is not used`() {
        var cache = Cached()
        _ = cache.find()
        cache.finish(false)
        cache.seconds = 5
        _ = cache.find()
        cache.finish(nil)
        #expect(cache.find() == "unanswered")
    }

    @Test func `the number of pending lookups is limited`() {
        var cache = Cached(pendingLimit: 2)
        #expect(cache.find(1) == "pending!" && cache.find(2) == "pending!")
        #expect(cache.find(3) == "too many" && cache.find(2) == "pending")
        cache.finish(nil, 1)
        #expect(cache.find(3) == "pending!")
        cache.finish(true, 2)
        cache.seconds = 40
        #expect(cache.find(2) == "pending!" && cache.find(4) == "too many")
        cache.finish(nil, 2)
        cache.seconds = 41.5
        _ = cache.find(4)
        cache.seconds = 43
        // The limit is reached: the stale result is used without another lookup.
        #expect(cache.find(2) == "true")
    }

    @Test func `a full cache drops its oldest results`() {
        var cache = Cached(resultLimit: 10)
        for key in 0..<20 {
            _ = cache.find(key)
            cache.finish(true, key)
        }
        let known = (0..<20).map { cache.find($0) }
        #expect(known[..<10].allSatisfy { $0 == "pending!" } && known[10...].allSatisfy { $0 == "true" })
    }
}
