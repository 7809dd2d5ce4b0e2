import Delivery
import HTTP
import HTTPTypes
import JSON
import Linux
import MappedStore
import StoreSupport
import TestSupport
import Testing
import Values

@testable import Capture

/// The settings of endpoints, as they are shown.
@Suite struct CaptureSettingsTests {
    @Test func `settings show what waits, the limits, the newest id, and when the endpoint is removed`() throws {
        let limits = CaptureLimits(
            notificationsPerEndpoint: 3, bytesPerEndpoint: 5000, idleSeconds: 10, lifetimeSeconds: 14)
        try Handled.with(limits: limits) { api in
            let id = try api.create()
            let created = api.test.moment.wall
            func settings() throws -> JSON {
                try JSON(parsing: try api.response(.get, "/manage/endpoint/\(id)/settings").body)
            }
            func seconds(_ settings: JSON) -> Double? {
                settings["removedAt"]?.string.flatMap { Timestamp(iso8601: $0) }?.seconds(since: created).rounded()
            }
            var found = try settings()
            #expect(found["limits"]?["notifications"]?.integer == 3)
            #expect(found["limits"]?["bytes"]?.integer == 5000 && found["limits"]?["body"]?.integer == 100)
            #expect(found["pending"]?["notifications"]?.integer == 0 && found["pending"]?["bytes"]?.integer == 0)
            #expect(found["newest"]?.integer == 0 && seconds(found) == 10)
            for _ in 0..<3 { _ = try api.response(.post, "/webhook/\(id)") }
            let full = try #require(try settings()["pending"]?["bytes"]?.integer)
            _ = try api.response(.delete, "/manage/endpoint/\(id)/notifications?through=2")
            api.test.pass(seconds: 3)
            found = try settings()
            #expect(found["pending"]?["notifications"]?.integer == 1 && found["pending"]?["bytes"]?.integer == full / 3)
            // To read settings is no use.
            #expect(found["newest"]?.integer == 3 && seconds(found) == 10)
            _ = try api.response(.get, "/manage/endpoint/\(id)")
            #expect(try settings()["newest"]?.integer == 3)
            #expect(try settings()["pending"]?["notifications"]?.integer == 0)
            #expect(try seconds(settings()) == 13)
            api.test.pass(seconds: 3)
            _ = try api.response(.post, "/webhook/\(id)")
            #expect(try seconds(settings()) == 14)
            let expiring = Request.Body.whole(Array(#"{"enabled": true, "expires": 2}"#.utf8))
            #expect(try api.response(.put, "/manage/endpoint/\(id)", body: expiring).head.status == .noContent)
            #expect(try seconds(settings()) == 8)
        }
    }

    @Test func `a limit of more years than a date can have removes nothing`() throws {
        try Handled.with(limits: CaptureLimits(idleSeconds: 1e15, lifetimeSeconds: 1e300)) { api in
            let id = try api.create()
            let settings = try JSON(parsing: try api.response(.get, "/manage/endpoint/\(id)/settings").body)
            #expect(settings["removedAt"] == .null)
        }
    }

    @Test func `settings that were read can be sent back, whatever else they show`() throws {
        try Handled.with(bodyLimit: 1000) { api in
            let id = try api.create()
            let path = "/manage/endpoint/\(id)"
            let body = Request.Body.whole(Array(#"{"enabled": true, "cors": true, "overflow": "drop-oldest"}"#.utf8))
            #expect(try api.response(.put, path, body: body).head.status == .noContent)
            _ = try api.response(.post, "/webhook/\(id)")
            let settings = try api.response(.get, path + "/settings").body
            #expect(try api.response(.put, path, body: .whole(settings)).head.status == .noContent)
            #expect(try api.response(.get, path + "/settings").body == settings)
            let odd = #"{"enabled": true, "pending": 1, "limits": null, "newest": "x", "removedAt": []}"#
            #expect(try api.response(.put, path, body: .whole(Array(odd.utf8))).head.status == .noContent)
            #expect(try api.response(.get, path + "/settings").body == settings)
        }
    }
}
