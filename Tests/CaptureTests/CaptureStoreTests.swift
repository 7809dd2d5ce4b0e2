import Capture
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values

/// What the protocol requires of every engine.
@Suite struct CaptureStoreTests {
    @Test(arguments: Engine.allCases)
    func `an endpoint gives out its notifications once, in the order of their arrival`(engine: Engine) throws {
        try engine.withStore { test in
            #expect(
                try test.capture.create(test.id(1), for: nil, at: test.moment, CaptureLimits()) == .created(test.id(1)))
            try test.commit()
            for body in ["one", "two", ""] { #expect(try test.accept(body, at: test.id(1)) == .stored) }
            #expect(try test.collect(from: test.id(1)) == ["one", "two", ""])
            #expect(try test.collect(from: test.id(1)) == [])
            #expect(try test.accept("three", at: test.id(1)) == .stored)
            #expect(try test.collect(from: test.id(1)) == ["three"])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a notification is collected as it was stored, byte for byte`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            var fields = FieldList()
            fields.append(name: "X-Odd".utf8, value: [0xff, 0, 0x0a])
            fields.append(name: "X-Odd".utf8, value: [])
            let kinds: [BodyReading.Kind] = [.text, .binary, .encodedText("latin1")]
            let sent = kinds.map { kind in
                Notification(
                    method: "PROPFIND", query: [0x25, 0xff], fields: fields,
                    body: (0..<5000).map { UInt8(truncatingIfNeeded: $0) },
                    reading: BodyReading(kind: kind), receivedAt: Timestamp(microseconds: 1_234_567),
                    remote: "2001:db8::1")
            }
            for notification in sent {
                #expect(
                    try test.capture.accept(notification, at: id, for: nil, at: test.moment, CaptureLimits()) == .stored
                )
            }
            try test.commit()
            let found = try test.all(
                test.capture.collect(from: id, for: nil, at: test.moment, CaptureLimits(), mayBeLong: true))
            #expect(found == sent.enumerated().map { NumberedNotification(number: UInt64($0 + 1), notification: $1) })
        }
    }

    @Test(arguments: Engine.allCases)
    func `each endpoint has its own notifications`(engine: Engine) throws {
        try engine.withStore { test in
            for number in UInt8(1)...3 { try test.create(number) }
            #expect(try test.accept("a", at: test.id(2)) == .stored)
            #expect(try test.accept("b", at: test.id(3)) == .stored)
            #expect(try test.collect(from: test.id(1)) == [])
            #expect(try test.capture.delete(test.id(2)))
            #expect(try test.collect(from: test.id(3)) == ["b"])
        }
    }

    @Test(arguments: Engine.allCases)
    func `every operation on an unknown endpoint fails`(engine: Engine) throws {
        try engine.withStore { test in
            let id = test.id(9)
            let limits = CaptureLimits()
            #expect(try test.accept(at: id) == .unknownEndpoint)
            #expect(try test.collect(from: id) == nil)
            #expect(try test.look(at: id) == nil)
            #expect(try test.capture.hasNews(at: id, after: 0, at: test.moment, limits))
            #expect(try !test.capture.acknowledge(through: 1, at: id, at: test.moment, limits))
            #expect(try !test.capture.configure(id, Configuration(isEnabled: true), at: test.moment, limits))
            #expect(try !test.capture.delete(id))
            try test.commit()
            #expect(try test.capture.overview(newest: 10).total == 0)
        }
    }

    @Test(arguments: Engine.allCases)
    func `deleting an endpoint deletes its notifications, and its id can be used again`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            #expect(try test.accept(at: id) == .stored)
            #expect(try test.capture.delete(id))
            #expect(try !test.capture.delete(id))
            try test.commit()
            #expect(try test.collect(from: id) == nil)
            try test.create()
            #expect(try test.collect(from: id) == [])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a disabled endpoint refuses notifications, keeps those it has, and can be enabled again`(engine: Engine)
        throws
    {
        try engine.withStore { test in
            let id = try test.create()
            #expect(try test.accept("before", at: id) == .stored)
            for isEnabled in [false, false, true] {
                #expect(
                    try test.capture.configure(
                        id, Configuration(isEnabled: isEnabled), at: test.moment, CaptureLimits()))
                try test.commit()
                #expect(try test.accept("\(isEnabled)", at: id) == (isEnabled ? .stored : .disabled))
            }
            #expect(try test.collect(from: id) == ["before", "true"])
        }
    }

    @Test(arguments: Engine.allCases)
    func `a path after the id is accepted only if the endpoint takes subpaths`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            let limits = CaptureLimits()
            let below = test.notification("x", path: "/a%20b")
            #expect(try test.capture.accept(below, at: id, for: nil, at: test.moment, limits) == .noSubpaths)
            for (subpaths, expected) in [(true, .stored), (nil, .stored), (false, .noSubpaths)]
                as [(Bool?, Acceptance)]
            {
                let configuration = Configuration(isEnabled: true, takesSubpaths: subpaths)
                #expect(try test.capture.configure(id, configuration, at: test.moment, limits))
                #expect(try test.capture.accept(below, at: id, for: nil, at: test.moment, limits) == expected)
                #expect(try test.accept(at: id) == .stored)
            }
            let found = try test.all(
                test.capture.collect(from: id, for: nil, at: test.moment, limits, mayBeLong: true))
            #expect(found?.first?.notification.path == Array("/a%20b".utf8))
        }
    }

    // MARK: Limits

    @Test(arguments: Engine.allCases, [-1, 0, 1, 3])
    func `the number of endpoints is limited, and deleting one makes room`(engine: Engine, limit: Int) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(endpoints: limit)
            for number in 0..<max(0, limit) {
                #expect(
                    try test.capture.create(test.id(UInt8(number)), for: nil, at: test.moment, limits)
                        == .created(test.id(UInt8(number))))
            }
            #expect(try test.capture.create(test.id(100), for: nil, at: test.moment, limits) == .tooMany)
            try test.commit()
            #expect(try test.capture.overview(newest: 10).total == max(0, limit))
            guard limit > 0 else { return }
            #expect(try test.capture.delete(test.id(0)))
            #expect(try test.capture.create(test.id(100), for: nil, at: test.moment, limits) == .created(test.id(100)))
        }
    }

    @Test(arguments: Engine.allCases)
    func `overdue endpoints make room for new ones`(engine: Engine) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(endpoints: 2, idleSeconds: 10)
            try test.create(1, limits)
            try test.create(2, limits)
            let later = test.later(11)
            #expect(try test.capture.create(test.id(3), for: nil, at: later, limits) == .created(test.id(3)))
            #expect(try test.look(at: test.id(1), at: later, limits) == nil)
        }
    }

    @Test(arguments: Engine.allCases, [-1, 0, 1, 5])
    func `the number of notifications is limited, and collecting makes room`(engine: Engine, limit: Int) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(notificationsPerEndpoint: limit)
            let id = try test.create()
            for _ in 0..<2 {
                for number in 0..<max(0, limit) { #expect(try test.accept("\(number)", at: id, limits) == .stored) }
                #expect(try test.accept("beyond", at: id, limits) == .tooMany)
                #expect(try test.collect(from: id)?.count == max(0, limit))
            }
            guard limit > 1 else { return }
            for _ in 0..<limit { #expect(try test.accept(at: id, limits) == .stored) }
            #expect(try test.capture.acknowledge(through: UInt64(2 * limit + 1), at: id, at: test.moment, limits))
            #expect(try test.accept(at: id, limits) == .stored)
            #expect(try test.accept(at: id, limits) == .tooMany)
        }
    }

    @Test(arguments: Engine.allCases)
    func `a path that is not accepted is reported before disabled, and disabled before full`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            let limits = CaptureLimits(notificationsPerEndpoint: 0)
            _ = try test.capture.configure(id, Configuration(isEnabled: false), at: test.moment, limits)
            #expect(try test.accept(at: id, limits) == .disabled)
            let below = test.notification("x", path: "/a")
            #expect(try test.capture.accept(below, at: id, for: nil, at: test.moment, limits) == .noSubpaths)
        }
    }

    // MARK: Looking at notifications, and acknowledging them

    @Test(arguments: Engine.allCases)
    func `looking returns the notifications after a number, up to a limit, and keeps them`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            for _ in 0..<5 { #expect(try test.accept(at: id) == .stored) }
            #expect(try test.look(at: id) == [1, 2, 3, 4, 5])
            #expect(try test.look(at: id, after: 2) == [3, 4, 5])
            #expect(try test.look(at: id, after: 1, limit: 2) == [2, 3])
            #expect(try test.look(at: id, limit: 0) == [])
            for number: UInt64 in [5, 6, 1 << 63, .max - 1, .max] {
                #expect(try test.look(at: id, after: number, limit: 1000) == [])
                #expect(try !test.capture.hasNews(at: id, after: number, at: test.moment, CaptureLimits()))
            }
            #expect(try test.capture.hasNews(at: id, after: 4, at: test.moment, CaptureLimits()))
            #expect(try test.collect(from: id)?.count == 5)
            #expect(try test.look(at: id) == [])
            #expect(try !test.capture.hasNews(at: id, after: 0, at: test.moment, CaptureLimits()))
        }
    }

    @Test(arguments: Engine.allCases)
    func `looking before a number returns the newest notifications below it, oldest first`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create(2)
            for other in [test.id(1), test.id(3)] {
                _ = try test.capture.create(other, for: nil, at: test.moment, CaptureLimits())
                #expect(try test.accept(at: other) == .stored)
            }
            #expect(try test.look(at: id, .before(.max)) == [])
            for _ in 0..<5 { #expect(try test.accept(at: id) == .stored) }
            for number: UInt64 in [6, 7, 1 << 63, .max] {
                #expect(try test.look(at: id, .before(number)) == [1, 2, 3, 4, 5])
                #expect(try test.look(at: id, .before(number), limit: 2) == [4, 5])
            }
            #expect(try test.look(at: id, .before(4), limit: 2) == [2, 3])
            #expect(try test.look(at: id, .before(3), limit: 2) == [1, 2])
            #expect(try test.look(at: id, .before(2), limit: 2) == [1])
            #expect(try test.look(at: id, .before(1)) == [])
            #expect(try test.look(at: id, .before(.max), limit: 0) == [])
            #expect(try test.capture.acknowledge(through: 2, at: id, at: test.moment, CaptureLimits()))
            try test.commit()
            #expect(try test.look(at: id, .before(5)) == [3, 4])
            #expect(try test.look(at: id, .before(3)) == [])
            // What was collected is still in the store, for a retry.
            #expect(try test.collect(from: id, for: test.request(1))?.count == 3)
            #expect(try test.look(at: id, .before(.max)) == [])
            #expect(try test.accept(at: id) == .stored)
            #expect(try test.look(at: id, .before(.max)) == [6])
            #expect(try test.look(at: test.id(9), .before(.max)) == nil)
        }
    }

    @Test(arguments: Engine.allCases)
    func `of some megabytes a look before a number returns the newest, and at least one`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            let body = String(repeating: "x", count: 1 << 20)
            for body in ["a", body, body, body, body, body, "b"] { #expect(try test.accept(body, at: id) == .stored) }
            #expect(try test.look(at: id, .before(.max)) == [3, 4, 5, 6, 7])
            #expect(try test.look(at: id, .before(7)) == [3, 4, 5, 6])
            #expect(try test.look(at: id, .before(3)) == [1, 2])
            #expect(try test.accept(String(repeating: body, count: 5), at: id) == .stored)
            #expect(try test.look(at: id, .before(.max)) == [8])
        }
    }

    @Test(arguments: Engine.allCases)
    func `acknowledging deletes the notifications up to a number, and no more`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            let limits = CaptureLimits()
            for _ in 0..<6 { #expect(try test.accept(at: id) == .stored) }
            for (number, left) in [(0, 1...6), (2, 3...6), (1, 3...6), (4, 5...6)] as [(UInt64, ClosedRange<UInt64>)] {
                #expect(try test.capture.acknowledge(through: number, at: id, at: test.moment, limits))
                try test.commit()
                #expect(try test.look(at: id) == Array(left))
            }
            #expect(try test.capture.acknowledge(through: .max, at: id, at: test.moment, limits))
            try test.commit()
            #expect(try test.look(at: id) == [])
            #expect(try test.capture.overview(newest: 1).newest.first.map { [$0.count, $0.bytes] } == [0, 0])
            #expect(try test.accept("next", at: id) == .stored)
            #expect(try test.look(at: id) == [7])
        }
    }

    // MARK: Before the commit

    @Test(arguments: Engine.allCases)
    func `writes are not visible before the commit, and never after a rollback`(engine: Engine) throws {
        try engine.withStore { test in
            let limits = CaptureLimits()
            let id = try test.create()
            #expect(try test.capture.accept(test.notification(), at: id, for: nil, at: test.moment, limits) == .stored)
            _ = try test.capture.create(test.id(2), for: nil, at: test.moment, limits)
            #expect(try test.look(at: id) == [])
            test.rollBack()
            try test.commit()
            #expect(try test.look(at: id) == [])
            #expect(try test.look(at: test.id(2)) == nil)
            #expect(try test.accept("again", at: id) == .stored)
            #expect(try test.look(at: id) == [1])
        }
    }

    @Test(arguments: Engine.allCases)
    func `one address cannot take all endpoints`(engine: Engine) throws {
        try engine.withStore { test in
            let limits = CaptureLimits(endpoints: 16)
            func create(_ number: UInt8, from address: String) throws -> Creation {
                defer { try? test.commit() }
                return try test.capture.create(
                    test.id(number), for: nil, from: address, at: test.moment, limits)
            }
            for number in UInt8(1)...14 {
                #expect(try create(number, from: "192.0.2.1") == .created(test.id(number)))
            }
            #expect(try create(15, from: "192.0.2.1") == .tooManyOfAddress)
            #expect(try create(15, from: "2001:db8::1") == .created(test.id(15)))
            // The same /64 network.
            #expect(try create(16, from: "2001:db8::2") == .tooManyOfAddress)
            #expect(try create(16, from: "192.0.2.2") == .created(test.id(16)))
            #expect(try create(17, from: "192.0.2.3") == .tooMany)
            // Deleted endpoints no longer count.
            for number in UInt8(1)...4 { #expect(try test.capture.delete(test.id(number))) }
            try test.commit()
            #expect(try create(18, from: "192.0.2.1") == .created(test.id(18)))
        }
    }
}
