import Cryptography
import Encodings
import HTTP
import HTTPTypes
import JSON
import StoreSupport
import Testing
import Values

@testable import Capture

/// Requests with long bodies at endpoints that check signatures or have rules.
@Suite struct LongBodyTests {
    private static let limit = 4 << 20
    private let long = [UInt8](repeating: 0x61, count: CaptureHandlers.shortBody + 1)

    private func configure(_ id: String, _ members: String, _ api: Handled) throws {
        let body = Request.Body.whole(Array(#"{"enabled": true, \#(members)}"#.utf8))
        #expect(try api.response(.put, "/manage/endpoint/\(id)", body: body).head.status.code == 204)
    }

    private func verify(_ secret: String, rejects: Bool = true) -> String {
        #""verify": {"preset": "github", "secret": "\#(secret)", "reject": \#(rejects)}"#
    }

    private func send(_ body: [UInt8], secret: String = "hush", to id: String, _ api: Handled) throws -> HandlerRun {
        let code = DigestAlgorithm.sha256.authenticationCode(of: body, key: Array(secret.utf8))
        var fields = FieldList()
        fields.append(name: "X-Hub-Signature-256".utf8, value: "sha256=\(hexadecimal(code))".utf8)
        return try api.run(.post, "/webhook/\(id)", fields: fields, body: .whole(body))
    }

    /// Whether the signatures of the notifications of an endpoint are right.
    private func verdicts(_ id: String, _ api: Handled) throws -> [JSON?]? {
        let body = try api.response(.get, "/manage/endpoint/\(id)/notifications").body
        return try JSON(parsing: body)["notifications"]?.array?.map { $0["verification"]?["valid"] }
    }

    @Test func `the signature of a long body is checked in the background, and others are answered meanwhile`() throws {
        let background = HeldBackground()
        try Handled.with(bodyLimit: Self.limit, background: background) { api in
            let id = try api.create()
            try configure(id, verify("hush"), api)
            let run = try send(long, to: id, api)
            #expect(run.isWaiting && background.work.count == 1)
            #expect(try send(Array("short".utf8), to: id, api).response()?.head.status.code == 200)
            #expect(try verdicts(id, api) == [.bool(true)] && background.work.count == 1)
            background.doNext()
            run.resume()
            #expect(try run.response()?.head.status.code == 200)
            #expect(try verdicts(id, api) == [.bool(true), .bool(true)])
        }
    }

    @Test(
        arguments: [
            ("hush", true, 401, []), ("hush", false, 200, [.bool(false)]), ("changed", false, 200, [.bool(true)]),
        ]
            as [(String, Bool, Int, [JSON?])])
    func `the verdict that is stored is that of the settings at that time`(
        secret: String, rejects: Bool, status: Int, expected: [JSON?]
    ) throws {
        let background = HeldBackground()
        try Handled.with(bodyLimit: Self.limit, background: background) { api in
            let id = try api.create()
            try configure(id, verify("hush", rejects: rejects), api)
            let run = try send(long, secret: secret, to: id, api)
            try configure(id, verify("changed", rejects: rejects), api)
            background.doNext()
            run.resume()
            // It is checked again.
            #expect(run.isWaiting)
            background.doNext()
            run.resume()
            #expect(try run.response()?.head.status.code == status)
            #expect(try verdicts(id, api) == expected)
        }
    }

    @Test func `long bodies at the same time take one answer of a sequence each`() throws {
        let background = HeldBackground()
        try Handled.with(bodyLimit: Self.limit, background: background) { api in
            let id = try api.create()
            let answers = #"[{"then": {"sequence": [{"status": 201}, {"status": 202}, {"status": 203}]}}]"#
            try configure(id, #""responses": \#(answers)"#, api)
            let runs = try (0..<3).map { _ in try send(long, to: id, api) }
            while !background.work.isEmpty {
                background.doNext()
                for run in runs { run.resume() }
            }
            let codes = try runs.map { run in try run.response()?.head.status.code ?? 0 }
            #expect(codes.sorted() == [201, 202, 203])
        }
    }

    @Test func `nothing holds a body while the answer is held back`() throws {
        try Handled.with(bodyLimit: Self.limit) { api in
            let id = try api.create()
            try configure(id, #""responses": [{"then": {"status": 201, "delay_ms": 1000}}]"#, api)
            var body = [UInt8](repeating: 0x61, count: long.count)
            let target = Target(raw: Array("/webhook/\(id)".utf8)[...], mountPoint: [])
            let request = Request(method: .post, target: target, body: .whole(body))
            let run = HandlerRun(commit: api.test.commit).begin { context async throws(StoreFailure) in
                try await api.handlers.answer(request, path: ["webhook", id], context)
            }
            #expect(run.isWaiting && run.milliseconds == 1000)
            // As the loop does.
            request.dropBody()
            // An array is copied when it is changed, if there is another reference to it.
            let before = unsafe body.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
            body[0] = 0x62
            let after = unsafe body.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) }
            #expect(after == before)
            run.wake(.over)
            #expect(try run.response()?.head.status.code == 201)
        }
    }

    @Test func `an endpoint that is deleted during the check stores nothing`() throws {
        let background = HeldBackground()
        try Handled.with(bodyLimit: Self.limit, background: background) { api in
            let id = try api.create()
            try configure(id, verify("hush"), api)
            let run = try send(long, to: id, api)
            #expect(try api.response(.delete, "/manage/endpoint/\(id)").head.status.code == 204)
            background.doNext()
            run.resume()
            #expect(try run.response()?.head.status.code == 404)
        }
    }

    @Test func `if too much work waits in the background, long bodies are refused and short ones taken`() throws {
        let background = HeldBackground()
        background.isFull = true
        try Handled.with(bodyLimit: Self.limit, background: background) { api in
            let id = try api.create()
            try configure(id, verify("hush"), api)
            let refused = try send(long, to: id, api).response()
            #expect(refused?.head.status.code == 503 && refused?.head.headerFields[.retryAfter] == "5")
            #expect(try post(deflated(5000), coding: "deflate", to: id, api).response()?.head.status.code == 503)
            #expect(try verdicts(id, api) == [])
            #expect(try send(Array("short".utf8), to: id, api).response()?.head.status.code == 200)
        }
    }

    @Test func `settings that change again and again do not keep a long body waiting`() throws {
        let background = HeldBackground()
        try Handled.with(bodyLimit: Self.limit, background: background) { api in
            let id = try api.create()
            func answer(_ status: Int) throws {
                try configure(id, #""responses": [{"then": {"status": \#(status)}}]"#, api)
            }
            try answer(201)
            let run = try send(long, to: id, api)
            for status in 202...204 {
                #expect(run.isWaiting)
                try answer(status)
                background.doNext()
                run.resume()
            }
            #expect(try run.response()?.head.status.code == 204 && background.work.isEmpty)
        }
    }

    @Test func `bodies that take long to read are read in the background`() throws {
        let background = HeldBackground()
        try Handled.with(bodyLimit: Self.limit, background: background) { api in
            let id = try api.create()
            let bodies: [(body: [UInt8], coding: String?, charset: String?, waits: Bool)] = [
                (deflated(4000), "deflate", nil, false), (deflated(5000), "deflate", nil, true),
                ([UInt8](repeating: 0xe9, count: 64 << 10), nil, "latin1", false),
                ([UInt8](repeating: 0xe9, count: (64 << 10) + 1), nil, "latin1", true),
                ([UInt8](repeating: 0x61, count: (64 << 10) + 1), nil, "utf-8", false),
                ([UInt8](repeating: 0x61, count: 5000), "br", nil, false),
            ]
            for (body, coding, charset, waits) in bodies {
                let run = try post(body, coding: coding, charset: charset, to: id, api)
                #expect(run.isWaiting == waits)
                if waits {
                    background.doNext()
                    run.resume()
                }
                #expect(try run.response()?.head.status.code == 200)
            }
            let corrupt = deflated(5000).dropLast(4) + [1, 2, 3, 4]
            let run = try post(Array(corrupt), coding: "deflate", to: "nowhere", api)
            background.doNext()
            run.resume()
            #expect(try run.response()?.head.status.code == 400)
        }
    }

    private func post(
        _ body: [UInt8], coding: String?, charset: String? = nil, to id: String, _ api: Handled
    ) throws -> HandlerRun {
        var fields = FieldList()
        if let coding { fields.append(name: "Content-Encoding".utf8, value: coding.utf8) }
        if let charset { fields.append(name: "Content-Type".utf8, value: "text/plain; charset=\(charset)".utf8) }
        return try api.run(.post, "/webhook/\(id)", fields: fields, body: .whole(body))
    }

    /// Text as a zlib stream that does not make it shorter (RFC 1950; RFC 1951, section 3.2.4).
    private func deflated(_ count: Int) -> [UInt8] {
        let text = [UInt8](repeating: 0x61, count: count)
        let length = UInt16(count)
        var (low, high) = (1, 0)
        for byte in text {
            low = (low + Int(byte)) % 65521
            high = (high + low) % 65521
        }
        let lengths = [length, ~length].flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        let sum = [high >> 8, high & 255, low >> 8, low & 255].map { UInt8($0) }
        return [0x78, 0x01, 0x01] + lengths + text + sum
    }
}

/// Keeps the work until the test has it done.
private final class HeldBackground: Background {
    private(set) var work: [() -> Void] = []
    var isFull = false

    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value, done: @escaping (Value) -> Void) -> Bool {
        guard !isFull else { return false }
        self.work.append { done(work()) }
        return true
    }

    func doNext() {
        guard !work.isEmpty else {
            Issue.record("there is no work")
            return
        }
        work.removeFirst()()
    }
}
