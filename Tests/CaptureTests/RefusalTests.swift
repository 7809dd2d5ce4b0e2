import HTTP
import HTTPTypes
import JSON
import MappedStore
import StoreSupport
import Testing
import Values

@testable import Capture

/// The requests that endpoints have refused.
@Suite struct RefusalTests {
    private func refused(_ body: [UInt8], _ reason: RefusedNotification.Reason = .full) -> RefusedNotification {
        RefusedNotification(
            notification: Notification(method: "POST", body: body, receivedAt: Timestamp(microseconds: 5)),
            reason: reason, bodyBytes: UInt64(body.count))
    }

    private func keep(_ refused: RefusedNotification, at id: Endpoint.ID, _ test: EmptyStore) throws {
        try test.capture.keep(refused, at: id, at: test.moment, CaptureLimits())
        try test.commit()
    }

    private func found(
        at id: Endpoint.ID, position: Position = .after(0), limit: Int = 1000, _ test: EmptyStore
    ) throws -> [NumberedRefusal]? {
        try test.capture.refused(at: id, position, limit: limit, at: test.moment, CaptureLimits())
    }

    @Test(arguments: Engine.allCases, RefusedNotification.Reason.allCases)
    func `a refused request is read back, and leaves the endpoint as it is`(
        engine: Engine, reason: RefusedNotification.Reason
    ) throws {
        try engine.withStore { test in
            let id = try test.create()
            #expect(try test.accept("kept", at: id) == .stored)
            test.pass(seconds: 100)
            let sent = [
                refused([0xff], reason),
                RefusedNotification(
                    notification: Notification(method: "GET", receivedAt: Timestamp(microseconds: 6)), reason: reason,
                    bodyBytes: nil),
            ]
            for sent in sent { try keep(sent, at: id, test) }
            #expect(try found(at: id, test)?.map(\.refused) == sent)
            #expect(try found(at: id, position: .after(1), test)?.map(\.number) == [2])
            #expect(try found(at: id, limit: 1, test)?.map(\.number) == [1])
            #expect(try found(at: id, position: .after(.max), test)?.isEmpty == true)
            #expect(try found(at: id, position: .before(2), test)?.map(\.number) == [1])
            #expect(try found(at: id, position: .before(.max), limit: 1, test)?.map(\.number) == [2])
            #expect(try found(at: id, position: .before(1), test)?.isEmpty == true)
            let endpoint = try #require(try test.capture.overview(newest: 1).newest.first)
            #expect(endpoint.count == 1 && test.moment.steady.seconds(since: endpoint.lastUsed) >= 100)
            #expect(try test.collect(from: id) == ["kept"])
        }
    }

    @Test(arguments: Engine.allCases)
    func `the newest are kept, up to a number and to a number of bytes`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            for number in 0..<UInt8(30) { try keep(refused([number]), at: id, test) }
            let kept = try #require(try found(at: id, test))
            #expect(kept.map { $0.refused.notification.body } == (10..<30).map { [$0] })
            #expect(kept.map(\.number) == Array(11...30))
            let long = [UInt8](repeating: 1, count: 250 << 10)
            for _ in 0..<6 { try keep(refused(long), at: id, test) }
            // They are returned some at a time.
            var numbers: [UInt64] = []
            while let more = try found(at: id, position: .after(numbers.last ?? 0), test), !more.isEmpty {
                numbers += more.map(\.number)
                #expect(more.count <= 2)
            }
            #expect(numbers == [33, 34, 35, 36])
            var newest: [UInt64] = []
            while let more = try found(at: id, position: .before(newest.first ?? .max), test), !more.isEmpty {
                newest = more.map(\.number) + newest
                #expect(more.count <= 2)
            }
            #expect(newest == numbers)
        }
    }

    @Test(arguments: Engine.allCases)
    func `what was refused is gone with its endpoint, and unknown endpoints keep nothing`(engine: Engine) throws {
        try engine.withStore { test in
            let id = try test.create()
            try keep(refused([1]), at: id, test)
            try keep(refused([1]), at: test.id(9), test)
            #expect(try found(at: test.id(9), test) == nil)
            #expect(try test.capture.delete(id))
            try test.commit()
            #expect(try found(at: id, test) == nil)
            // The check after the test finds no request without its endpoint.
        }
    }

    @Test func `requests that are refused can be listed with the reason`() throws {
        try Handled.with(limits: CaptureLimits(notificationsPerEndpoint: 1)) { api in
            let id = try api.create()
            let path = "/manage/endpoint/\(id)/notifications"
            func refused() throws -> [JSON] {
                let response = try api.response(.get, path + "?refused")
                return try #require(try JSON(parsing: response.body)["notifications"]?.array)
            }
            #expect(try api.response(.post, "/webhook/\(id)", body: .tooLarge).head.status.code == 413)
            #expect(
                try api.response(.post, "/webhook/\(id)", body: .whole(Array(repeating: 65, count: 101))).head.status
                    .code == 413)
            #expect(try api.response(.post, "/webhook/\(id)", body: .whole([65])).head.status.code == 200)
            #expect(try api.response(.post, "/webhook/\(id)", body: .whole([66])).head.status.code == 507)
            let disabled = Request.Body.whole(Array(#"{"enabled": false}"#.utf8))
            #expect(try api.response(.put, "/manage/endpoint/\(id)", body: disabled).head.status.code == 204)
            #expect(try api.response(.put, "/webhook/\(id)?a", body: .whole([0xff])).head.status.code == 500)
            let found = try refused()
            #expect(found.map { $0["refused"]?.string } == ["too-large", "too-large", "full", "disabled"])
            #expect(found.map { $0["status"] } == ["413", "413", "507", "500"].map { .number($0) })
            #expect(found.map { $0["bodyBytes"] } == [.null, .number("101"), .number("1"), .number("1")])
            #expect(found.map { $0["body"]?.string?.count } == [0, 101, 1, 1])
            #expect(found[3]["bodyBase64"]?.string == "/w==" && found[3]["query"]?.string == "a")
            #expect(try api.response(.get, path + "/4/body?refused").body == [0xff])
            #expect(try api.response(.get, path + "/5/body?refused").head.status.code == 404)
            // Collecting does not show them.
            let collected = try JSON(parsing: try api.response(.get, "/manage/endpoint/\(id)").body)
            #expect(collected["notifications"]?.array?.count == 1)
            #expect(try refused().count == 4)
        }
    }
}
