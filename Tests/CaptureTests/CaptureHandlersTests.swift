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

/// The handlers with a real store, called as the loop calls them.
struct Handled {
    let test: EmptyStore
    let handlers: CaptureHandlers

    static func with(
        limits: CaptureLimits = CaptureLimits(), bodyLimit: Int = 100, background: any Background = NoBackground(),
        _ body: (Handled) throws -> Void
    ) throws {
        try Engine.mapped.withStore { test in
            let installation = Installation(
                version: "1", started: test.moment.wall, cleanupSeconds: 1, mountPoint: "/", serverURL: "http://x")
            let handlers = CaptureHandlers(
                store: test.capture, limits: limits, installation: installation, webhookURL: "http://x/webhook/",
                bodyLimit: bodyLimit, sealing: Sealing(seal: { plain, _ in plain }, open: { sealed, _ in sealed }),
                background: background, now: { test.moment }, random: SystemRandomNumberGenerator())
            try body(Handled(test: test, handlers: handlers))
        }
    }

    func run(
        _ method: HTTPRequest.Method, _ target: String, fields: FieldList = FieldList(),
        body: Request.Body = .whole([]), id: UInt64? = nil
    ) throws -> HandlerRun {
        let target = Target(raw: Array(target.utf8)[...], mountPoint: [])
        let request = Request(method: method, target: target, fields: fields, body: body, id: id.map(test.request))
        let path = try #require(target.segments)
        let run = HandlerRun(commit: test.commit).begin { [handlers] context async throws(StoreFailure) in
            try await handlers.answer(request, path: path, context)
        }
        try test.commit()
        return run
    }

    func response(_ method: HTTPRequest.Method, _ target: String, body: Request.Body = .whole([]), id: UInt64? = nil)
        throws -> Response
    {
        try #require(try run(method, target, body: body, id: id).response())
    }

    /// Resumes a waiting request if there is news for it.
    /// - Returns: its response, or `nil` if it still waits.
    func resumeIfNews(_ run: HandlerRun) throws -> Response? {
        let interest = try #require(run.interest as? EndpointInterest)
        let hasNews = try LoopExecutor.complete { [handlers] () async throws(StoreFailure) in
            try await handlers.news(for: [interest])
        }
        if hasNews == [true] { run.wake(.news) }
        return run.isWaiting ? nil : try run.response()
    }

    func create() throws -> String {
        let response = try response(.post, "/manage/endpoint")
        #expect(response.head.status.code == 201)
        return try #require(try JSON(parsing: response.body)["endpointId"]?.string)
    }
}

@Suite struct CaptureHandlersTests {
    @Test func `an endpoint can be created, disabled, read and deleted`() throws {
        try Handled.with { api in
            let created = try JSON(parsing: try api.response(.post, "/manage/endpoint", body: .tooLarge).body)
            let id = try #require(created["endpointId"]?.string)
            #expect(created["fullyQualifiedEndpoint"]?.string == "http://x/webhook/\(id)")
            #expect(try api.response(.put, "/webhook/\(id)", body: .whole([0x68, 0x69])).head.status == .ok)
            let enabled = Request.Body.whole(Array(#"{"enabled": false}"#.utf8))
            #expect(try api.response(.put, "/manage/endpoint/\(id)", body: enabled).head.status == .noContent)
            #expect(try api.response(.post, "/webhook/\(id)").head.status.code == 500)
            let found = try JSON(parsing: try api.response(.get, "/manage/endpoint/\(id)").body)["notifications"]?.array
            #expect(found?.map { $0["body"]?.string } == ["hi"])
            #expect(try api.response(.delete, "/manage/endpoint/\(id)").head.status == .noContent)
            #expect(try api.response(.delete, "/manage/endpoint/\(id)").head.status == .noContent)
            #expect(try api.response(.get, "/manage/endpoint/\(id)").head.status == .notFound)
        }
    }

    @Test(
        arguments: [
            (.get, "/manage/endpoint", "POST"), (.head, "/manage", "GET"), (.post, "/manage", "GET"),
            (.post, "/manage/endpoint/x", "DELETE,GET,PUT"),
            (.options, "/manage/endpoint/x", "DELETE,GET,PUT"),
            (.put, "/manage/endpoint/x/notifications", "DELETE,GET"),
        ] as [(HTTPRequest.Method, String, String)])
    func `an unsupported method gives 405 with the allowed methods`(
        method: HTTPRequest.Method, target: String, allowed: String
    ) throws {
        try Handled.with { api in
            let response = try api.response(method, target)
            #expect(response.head.status.code == 405)
            #expect(response.head.headerFields[.allow] == allowed)
        }
    }

    @Test(arguments: [
        "/", "/webhook", "/Manage", "/manage/", "/manage/endpoint/x/y", "/manage/endpoint/x/notifications/",
        "/manage/endpoints", "//manage",
    ])
    func `other paths are left to other APIs`(target: String) throws {
        try Handled.with { api in
            let answer = try api.run(.get, target).response()
            #expect(answer == nil)
        }
    }

    @Test func `an invalid id gives 404, and is quoted as plain text`() throws {
        try Handled.with { api in
            for (method, target) in [
                (.post, "/webhook/%3Cb%3E"), (.get, "/manage/endpoint/%3Cb%3E"),
                (.get, "/manage/endpoint/%3Cb%3E/notifications?wait=9"),
                (.delete, "/manage/endpoint/%3Cb%3E/notifications?through=1"),
            ] as [(HTTPRequest.Method, String)] {
                let response = try api.response(method, target)
                #expect(response.head.status == .notFound)
                #expect(
                    String(decoding: response.body, as: UTF8.self) == "Endpoint '<b>' does not exist or was removed.")
                #expect(response.head.headerFields[.contentType] == "text/plain; charset=utf-8")
            }
        }
    }

    @Test(
        arguments: [
            (.tooLarge, 413), (.incomplete, 400), (.whole([UInt8](repeating: 0x20, count: 101)), 413),
            (.whole([0x20]), 200),
        ] as [(Request.Body, Int)])
    func `the body is checked before the endpoint is looked up`(body: Request.Body, code: Int) throws {
        try Handled.with { api in
            let id = try api.create()
            #expect(try api.response(.post, "/webhook/\(id)", body: body).head.status.code == code)
            #expect(
                try api.response(.post, "/webhook/unknown", body: body).head.status.code == (code == 200 ? 404 : code))
        }
    }

    @Test func `a request above a limit gives 507`() throws {
        try Handled.with(limits: CaptureLimits(endpoints: 1, notificationsPerEndpoint: 1)) { api in
            let id = try api.create()
            #expect(try api.response(.post, "/manage/endpoint").head.status.code == 507)
            #expect(try api.response(.post, "/webhook/\(id)").head.status == .ok)
            let full = try api.response(.post, "/webhook/\(id)")
            #expect(full.head.status.code == 507)
            #expect(String(decoding: full.body, as: UTF8.self).contains("at most 1 "))
        }
    }

    @Test(arguments: [
        (Request.Body.tooLarge, 413), (.incomplete, 400), (.whole([]), 400), (.whole([0x5b, 0x5d]), 400),
    ])
    func `an invalid configuration is refused, and changes nothing`(body: Request.Body, code: Int) throws {
        try Handled.with { api in
            let id = try api.create()
            #expect(try api.response(.put, "/manage/endpoint/\(id)", body: body).head.status.code == code)
            #expect(try api.response(.post, "/webhook/\(id)").head.status == .ok)
        }
    }

    @Test func `every outcome is counted`() throws {
        try Handled.with(limits: CaptureLimits(endpoints: 1)) { api in
            let id = try api.create()
            let enabled = Request.Body.whole(Array(#"{"enabled": true}"#.utf8))
            _ = try api.response(.post, "/manage/endpoint")
            for target in ["/webhook/\(id)", "/webhook/x"] { _ = try api.response(.post, target) }
            _ = try api.response(.post, "/webhook/\(id)", body: .tooLarge)
            for target in ["/manage/endpoint/\(id)", "/manage/endpoint/x"] {
                _ = try api.response(.get, target)
                _ = try api.response(.put, target, body: enabled)
                _ = try api.response(.put, target)
                _ = try api.response(.delete, target)
            }
            let counters = try api.test.capture.overview(newest: 0).counters
            #expect(CaptureEvent.allCases.map { counters[$0] } == [1, 1, 1, 1, 1, 2, 1, 3, 1, 1])
            let page = String(decoding: try api.response(.get, "/manage").body, as: UTF8.self)
            #expect(page.contains("Total received notifications: 3 (with 2 errors)"))
        }
    }

    // MARK: Looking at notifications

    @Test func `looking at notifications keeps them, and acknowledging deletes them`() throws {
        try Handled.with { api in
            let id = try api.create()
            for _ in 0..<4 { _ = try api.response(.post, "/webhook/\(id)") }
            func ids(_ query: String) throws -> [Int?]? {
                let body = try api.response(.get, "/manage/endpoint/\(id)/notifications\(query)").body
                return try JSON(parsing: body)["notifications"]?.array?.map { $0["id"]?.integer }
            }
            #expect(try ids("") == [1, 2, 3, 4])
            #expect(try ids("?after=1&limit=2&wait=5") == [2, 3])
            #expect(
                try api.response(.delete, "/manage/endpoint/\(id)/notifications?through=3").head.status == .noContent)
            #expect(try ids("?limit=1000") == [4])
            #expect(try ids("?after=4&wait=0") == [])
        }
    }

    @Test func `a look before an id returns the newest, and does not wait`() throws {
        try Handled.with { api in
            let id = try api.create()
            for _ in 0..<4 { _ = try api.response(.post, "/webhook/\(id)") }
            func ids(_ query: String) throws -> [Int?]? {
                let run = try api.run(.get, "/manage/endpoint/\(id)/notifications\(query)")
                #expect(!run.isWaiting)
                return try JSON(parsing: try #require(try run.response()).body)["notifications"]?.array?.map {
                    $0["id"]?.integer
                }
            }
            #expect(try ids("?before=18446744073709551615&limit=2") == [3, 4])
            #expect(try ids("?before=3") == [1, 2])
            #expect(try ids("?before=1") == [])
            #expect(try ids("?before=3&after=0&wait=0&limit=1") == [2])
            #expect(try ids("?before=3&refused") == [])
        }
    }

    @Test(arguments: [
        ("before=3&after=1", "after\" and \"before"), ("before=3&wait=1", "before\" and \"wait"),
        ("before=3&match=$.json", "before\" and \"match"), ("before=3&refused&wait=1", "before\" and \"wait"),
        ("match=$.json&refused", "match\" and \"refused"),
    ])
    func `parameters of a look that exclude each other give 400, and the text names them`(
        query: String, names: String
    ) throws {
        try Handled.with { api in
            let id = try api.create()
            let response = try api.response(.get, "/manage/endpoint/\(id)/notifications?\(query)")
            #expect(response.head.status == .badRequest)
            let text = String(decoding: response.body, as: UTF8.self)
            #expect(text == "The query parameters \"\(names)\" exclude each other.")
        }
    }

    @Test func `an unknown query parameter of a look gives 400`() throws {
        try Handled.with { api in
            let id = try api.create()
            let response = try api.response(.get, "/manage/endpoint/\(id)/notifications?wait=0&mtach=%24%0A")
            #expect(response.head.status == .badRequest)
            let text = "Unknown query parameter \"mtach\". Known are after, before, limit, match, refused, wait."
            #expect(String(decoding: response.body, as: UTF8.self) == text)
        }
    }

    @Test(
        arguments: [
            "after=-1", "after=x", "after=", "after=18446744073709551616", "limit=0", "limit=1001", "limit=1.5",
            "wait=-1", "wait=61", "wait=nan", "wait=",
            "wait=inf", "after=%zz1", "before=0", "before=-1", "before=x", "before=", "before",
            "before=18446744073709551616",
        ])
    func `an invalid after, before, limit or wait parameter gives 400`(query: String) throws {
        try Handled.with { api in
            let id = try api.create()
            let response = try api.response(.get, "/manage/endpoint/\(id)/notifications?\(query)")
            #expect(response.head.status == .badRequest)
        }
    }

    @Test(arguments: ["", "?through=", "?through=-1", "?through=x", "?through=18446744073709551616", "?after=1"])
    func `a missing or invalid through parameter gives 400, and deletes nothing`(query: String) throws {
        try Handled.with { api in
            let id = try api.create()
            _ = try api.response(.post, "/webhook/\(id)")
            let path = "/manage/endpoint/\(id)/notifications"
            #expect(try api.response(.delete, path + query).head.status == .badRequest)
            let left = try JSON(parsing: try api.response(.get, path).body)["notifications"]?.array
            #expect(left?.count == 1)
        }
    }

    @Test func `a waiting request is answered by news, or with an empty list when its time is up`() throws {
        try Handled.with { api in
            let id = try api.create()
            let path = "/manage/endpoint/\(id)/notifications?wait=1.5"
            var waiting = try api.run(.get, path)
            #expect(waiting.isWaiting && waiting.milliseconds == 1500)
            #expect(try api.resumeIfNews(waiting) == nil)
            waiting.wake(.over)
            #expect(try waiting.response()?.body == Array(#"{"notifications": []}"#.utf8))
            waiting = try api.run(.get, path)
            _ = try api.response(.post, "/webhook/\(id)")
            let news = try #require(try api.resumeIfNews(waiting))
            #expect(try JSON(parsing: news.body)["notifications"]?.array?.count == 1)
            _ = try api.response(.get, "/manage/endpoint/\(id)")
            waiting = try api.run(.get, path)
            _ = try api.response(.delete, "/manage/endpoint/\(id)")
            #expect(try api.resumeIfNews(waiting)?.head.status == .notFound)
            #expect(waiting.interest == nil)
        }
    }

    @Test func `a request that may not wait is answered with 429`() throws {
        try Handled.with { api in
            let waiting = try api.run(.get, "/manage/endpoint/\(try api.create())/notifications?wait=1")
            waiting.wake(.refused)
            #expect(try waiting.response()?.head.status == .tooManyRequests)
        }
    }

    @Test func `a wait is at most half of the idle time`() throws {
        try Handled.with(limits: CaptureLimits(idleSeconds: 10)) { api in
            let id = try api.create()
            let waiting = try api.run(.get, "/manage/endpoint/\(id)/notifications?wait=60")
            #expect(waiting.isWaiting && waiting.milliseconds == 5000)
        }
    }

    /// Collects 40 notifications, an answer in many parts, whose client takes a part each so many seconds.
    private func collectSlowly(_ api: Handled, partSeconds: Double) throws -> [JSON] {
        let id = try api.test.create()
        for _ in 0..<40 { #expect(try api.test.accept(String(repeating: "x", count: 30_000), at: id) == .stored) }
        var parts = 0
        let response = try api.run(.get, "/manage/endpoint/\(id)", id: 1).response {
            parts += 1
            api.test.pass(seconds: partSeconds)
            while try api.test.store.forgetRequests(at: api.test.moment, limit: 7) > 0 { try api.test.commit() }
            try api.test.commit()
        }
        #expect(parts > 20)
        let body = try #require(response).body
        return try #require(try JSON(parsing: body)["notifications"]?.array)
    }

    @Test func `a collection is kept for as long as its client goes on reading`() throws {
        try Handled.with { api in
            #expect(try collectSlowly(api, partSeconds: 100).compactMap { $0["id"]?.integer } == Array(1...40))
            api.test.pass(seconds: 400)
            while try api.test.store.forgetRequests(at: api.test.moment, limit: 7) > 0 { try api.test.commit() }
            try api.test.commit()
            #expect(try api.test.store.check().notifications == 0)
        }
    }

    @Test func `a collection that its client does not read for minutes is gone`() throws {
        try Handled.with { api in
            #expect(
                throws: StoreFailure.unavailable("the notifications of a response were removed before they were sent")
            ) {
                try collectSlowly(api, partSeconds: 400)
            }
        }
    }
}
