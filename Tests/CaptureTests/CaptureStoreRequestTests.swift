import Capture
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values

/// What every engine must do for retried requests, expiry, and the overview of the status page.
@Suite struct CaptureStoreRequestTests {
    // MARK: Retried requests

    @Test(arguments: Engine.allCases, [false, true])
    func `a retried request opens one endpoint`(engine: Engine, isCommitted: Bool) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(endpoints: 1)
            #expect(
                try test.capture.create(test.id(1), for: test.request(1), at: test.moment, limits)
                    == .created(test.id(1))
            )
            if isCommitted { try test.commit() }
            #expect(
                try test.capture.create(test.id(2), for: test.request(1), at: test.moment, limits)
                    == .created(test.id(1))
            )
            try test.commit()
            #expect(try test.capture.overview(newest: 10).newest.map(\.id) == [test.id(1)])
            #expect(try test.capture.create(test.id(2), for: test.request(2), at: test.moment, limits) == .tooMany)
        }
    }

    @Test(arguments: Engine.allCases, [false, true])
    func `a retried request stores one notification`(engine: Engine, isCommitted: Bool) throws {
        try engine.withStore { test in
            let id = try test.create()
            let limits = CaptureLimits(notificationsPerEndpoint: 1)
            for _ in 0..<3 {
                #expect(
                    try test.capture.accept(test.notification(), at: id, for: test.request(1), at: test.moment, limits)
                        == .stored)
                if isCommitted { try test.commit() }
            }
            #expect(try test.accept(at: id, for: test.request(2), limits) == .tooMany)
            #expect(try test.look(at: id) == [1])
            #expect(try test.collect(from: id) == ["x"])
            #expect(try test.accept(at: id, for: test.request(1)) == .stored)
            #expect(try test.collect(from: id) == [])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a request that was rolled back leaves nothing, and can be retried`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            #expect(
                try test.capture.accept(
                    test.notification("a"), at: id, for: test.request(1), at: test.moment, CaptureLimits()) == .stored)
            test.rollBack()
            #expect(try test.accept("b", at: id, for: test.request(1)) == .stored)
            #expect(try test.collect(from: id) == ["b"])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a retried request collects the same notifications, and no other request does`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            for body in ["a", "b"] { #expect(try test.accept(body, at: id) == .stored) }
            #expect(try test.collect(from: id, for: test.request(1)) == ["a", "b"])
            #expect(try test.accept("c", at: id) == .stored)
            #expect(try test.collect(from: id, for: test.request(1)) == ["a", "b"])
            #expect(try test.look(at: id) == [3])
            #expect(try test.collect(from: id, for: test.request(2)) == ["c"])
            #expect(try test.collect(from: id, for: test.request(3)) == [])
            #expect(try test.collect(from: id, for: test.request(1)) == ["a", "b"])
            #expect(try test.capture.overview(newest: 1).newest.first?.count == 0)
        }
    }

    @Test(arguments: Engine.allCases)
    func `requests whose ids differ in any part are different requests`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            let first = test.request(1)
            let others = [
                RequestID(milliseconds: first.milliseconds + 1, high: first.high, low: first.low),
                RequestID(milliseconds: first.milliseconds, high: first.high + 1, low: first.low),
                RequestID(milliseconds: first.milliseconds, high: first.high, low: first.low + 1),
            ]
            for request in [first] + others { #expect(try test.accept(at: id, for: request) == .stored) }
            #expect(try test.look(at: id)?.count == 4)
        }
    }

    // MARK: Expiry

    @Test(arguments: Engine.allCases)
    func `an endpoint expires once it was idle for longer than the limit`(engine: Engine) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(idleSeconds: 10)
            let id = try test.create(1, limits)
            #expect(try test.capture.removeOverdue(at: test.later(10), limits, limit: 10) == 0)
            #expect(try !test.capture.hasNews(at: id, after: 0, at: test.later(10), limits))
            let late = test.later(10.000_001)
            #expect(try test.capture.hasNews(at: id, after: 0, at: late, limits))
            #expect(try test.look(at: id, at: late, limits) == nil)
            #expect(try test.accept(at: id, at: late, limits) == .unknownEndpoint)
            #expect(try test.collect(from: id, at: late, limits) == nil)
            #expect(try !test.capture.configure(id, Configuration(isEnabled: true), at: late, limits))
            #expect(try !test.capture.acknowledge(through: 1, at: id, at: late, limits))
            #expect(try test.capture.removeOverdue(at: late, limits, limit: 10) == 1)
            try test.commit()
            #expect(try test.capture.overview(newest: 10).total == 0)
            #expect(try test.capture.removeOverdue(at: late, limits, limit: 10) == 0)
        }
    }

    /// The ways to use an endpoint.
    private static let uses:
        [(name: String, use: @Sendable (EmptyStore, Endpoint.ID, Moment, CaptureLimits) throws -> Void)] = [
            ("accepting", { _ = try $0.accept(at: $1, at: $2, $3) }),
            ("collecting", { _ = try $0.collect(from: $1, at: $2, $3) }),
            ("looking", { _ = try $0.look(at: $1, at: $2, $3) }),
            ("acknowledging", { _ = try $0.capture.acknowledge(through: 0, at: $1, at: $2, $3) }),
            ("configuring", { _ = try $0.capture.configure($1, Configuration(isEnabled: true), at: $2, $3) }),
        ]

    @Test(arguments: Engine.allCases, 0..<5)
    func `each use postpones the expiry of an idle endpoint`(engine: Engine, use: Int) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(idleSeconds: 10)
            let id = try test.create(1, limits)
            try Self.uses[use].use(test, id, test.later(10), limits)
            try test.commit()
            #expect(try test.capture.removeOverdue(at: test.later(15), limits, limit: 10) <= 1)
            try test.commit()
            #expect(try !test.capture.hasNews(at: id, after: 9, at: test.later(20), limits), "\(Self.uses[use].name)")
            #expect(try test.capture.hasNews(at: id, after: 9, at: test.later(20.000_001), limits))
            #expect(try test.capture.removeOverdue(at: test.later(21), limits, limit: 10) == 1)
            try test.commit()
            #expect(try test.look(at: id, at: test.later(11), limits) == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a refused notification does not postpone the expiry`(engine: Engine) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(notificationsPerEndpoint: 0, idleSeconds: 10)
            let id = try test.create(1, limits)
            #expect(try test.accept(at: id, at: test.later(9), limits) == .tooMany)
            #expect(try test.capture.hasNews(at: id, after: 0, at: test.later(11), limits))
            #expect(try test.look(at: id, at: test.later(11), limits) == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func `an endpoint expires at the end of its lifetime, even if it is used`(engine: Engine) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(idleSeconds: 10, lifetimeSeconds: 25)
            let id = try test.create(1, limits)
            for seconds in [8.0, 16, 24, 25] {
                #expect(try test.accept(at: id, at: test.later(seconds), limits) == .stored)
            }
            let late = test.later(25.000_001)
            #expect(try test.accept(at: id, at: late, limits) == .unknownEndpoint)
            #expect(try test.capture.removeOverdue(at: late, limits, limit: 10) >= 1)
            try test.commit()
            #expect(try test.capture.overview(newest: 10).total == 0)
        }
    }

    @Test(arguments: Engine.allCases)
    func `overdue endpoints are removed in steps, and no others`(engine: Engine) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(idleSeconds: 10)
            for number in UInt8(0)..<50 { try test.create(number, at: test.later(number < 30 ? 0 : 5), limits) }
            for number in UInt8(0)..<5 {
                #expect(try test.accept(at: test.id(number), at: test.later(9), limits) == .stored)
            }
            var steps = 0
            while try test.capture.removeOverdue(at: test.later(11), limits, limit: 7) == 7 {
                try test.commit()
                steps += 1
                #expect(steps < 20)
                if steps >= 20 { return }
            }
            try test.commit()
            let left = try test.capture.overview(newest: 100).newest.map(\.id)
            #expect(left == (UInt8(0)..<5).map(test.id) + (UInt8(30)..<50).map(test.id))
        }
    }

    // MARK: Overview

    @Test(arguments: Engine.allCases)
    func `each event has its own counter, before and after a commit`(engine: Engine) throws {
        try engine.withStore { test in
            var expected = CaptureCounters()
            for (index, event) in CaptureEvent.allCases.enumerated() {
                for _ in 0...index { test.capture.count(event) }
                expected[event] = UInt64(index + 1)
            }
            #expect(try test.capture.overview(newest: 0).counters == expected)
            try test.commit()
            #expect(try test.capture.overview(newest: 0).counters == expected)
            test.capture.count(.deleted)
            try test.create()
            #expect(try test.capture.overview(newest: 0).counters[.deleted] == expected[.deleted] + 1)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a rollback keeps the counters`(engine: Engine) throws {
        try engine.withStore { test in
            test.capture.count(.received)
            test.rollBack()
            try test.commit()
            #expect(try test.capture.overview(newest: 0).counters[.received] == 1)
        }
    }

    @Test(arguments: Engine.allCases)
    func `the newest endpoints are listed in the order they were created`(engine: Engine) throws {
        try engine.withStore { test in
            for number in [5, 3, 9, 1] as [UInt8] { try test.create(number) }
            _ = try test.capture.delete(test.id(3))
            #expect(try test.accept(at: test.id(9)) == .stored)
            _ = try test.capture.configure(
                test.id(1), Configuration(isEnabled: false), at: test.later(1), CaptureLimits())
            try test.commit()
            let overview = try test.capture.overview(newest: 2)
            #expect(overview.total == 3)
            #expect(overview.newest.map(\.id) == [test.id(9), test.id(1)])
            #expect(overview.newest.map(\.count) == [1, 0])
            #expect(overview.newest.map(\.isEnabled) == [true, false])
            #expect(overview.newest.map(\.lastUsed) == [test.moment.steady, test.later(1).steady])
            #expect(overview.newest.allSatisfy { $0.created == test.moment.steady })
            #expect(try test.capture.overview(newest: 0).newest == [])
            #expect(try test.capture.overview(newest: 10).newest.count == 3)
        }
    }
}
