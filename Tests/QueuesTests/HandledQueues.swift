import Cryptography
import Encodings
import HTTP
import HTTPTypes
import JSON
import Linux
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import Queues

/// A configuration file in memory.
///
/// @unchecked: tests use it in one thread.
final class ConfigurationText: ConfigurationFile, @unchecked Sendable {
    /// `nil` if the file is missing.
    var text: String?
    /// The errors of reading and of replacing the file.
    var readFailure: ConfigurationFailure?
    var writeFailure: ConfigurationFailure?

    init(_ text: String) { self.text = text }

    func read() throws(ConfigurationFailure) -> (bytes: [UInt8], state: FileState?) {
        if let readFailure { throw readFailure }
        guard let text else { throw .missing }
        // The state of any file: `changes` decides whether it has changed.
        return (Array(text.utf8), Files.state(of: "/"))
    }

    /// How many times the file has changed after it was read.
    var changes = 0

    func isStill(_ state: FileState) -> Bool {
        changes -= 1
        return changes < 0
    }

    func change(
        _ change: ([UInt8]) throws(ConfigurationFailure) -> [UInt8]
    ) throws(ConfigurationFailure) -> FileState? {
        let (bytes, state) = try read()
        let changed = try change(bytes)
        if let writeFailure { throw writeFailure }
        text = String(decoding: changed, as: UTF8.self)
        return state
    }
}

/// The handlers with a real store, called as the loop calls them.
final class HandledQueues {
    let test: EmptyStore
    let file: ConfigurationText
    let handlers: QueueHandlers
    let clock: Clock

    final class Clock {
        var seconds = 0.0
    }

    /// The error of the commits that requests wait for.
    var commitFailure: StoreFailure?

    static let maximumMessageBytes = 1_000_000

    /// Two users, of whom the first may reload.
    static let text = configurationText(
        users: """
            {"name": "anna", "pass_hash": "plain;;secret", "can_reload": true,
             "queues": ["open", "signed", "hashed", "near", "small", "grö ße"]},
            {"name": "bert", "pass_hash": "plain;;geheim", "queues": ["open"]}
            """,
        queues: """
            {"name": "open"}, {"name": "hidden"}, {"name": "grö ße"}, {"name": "small", "max_message_size": 10},
            {"name": "signed", "max_message_size": 10,
             "auth": {"method": "hmac-sha256", "key": "key", "header_name": "X-Signature"}},
            {"name": "hashed", "auth": {"method": "hash-sha1", "header_name": "X-Signature"}},
            {"name": "keyless", "auth": {"method": "hmac-sha256", "header_name": "X-Signature"}},
            {"name": "near", "whitelist_ip": ["10.0.0.0/8"],
             "auth": {"method": "hash-sha1", "header_name": "X-Signature"}}
            """)

    static func with(
        _ text: String = text, hashKind: PasswordHash.Kind = .digest(.sha512),
        background: any Background = NoBackground(), _ body: (HandledQueues) throws -> Void
    ) throws {
        try Engine.mapped.withStore { test in
            let api = HandledQueues(test, ConfigurationText(text), hashKind, background)
            #expect(try api.configure() == .done)
            try test.commit()
            try body(api)
        }
    }

    init(
        _ test: EmptyStore, _ file: ConfigurationText, _ hashKind: PasswordHash.Kind,
        _ background: any Background = NoBackground()
    ) {
        let clock = Clock()
        (self.test, self.file, self.clock) = (test, file, clock)
        handlers = QueueHandlers(
            store: test.queues, file: file, hashKind: hashKind, maximumMessageBytes: Self.maximumMessageBytes,
            now: {
                Moment(
                    wall: test.moment.wall.adding(seconds: clock.seconds),
                    steady: test.moment.steady.adding(seconds: clock.seconds))
            }, random: SystemRandomNumberGenerator(), background: background)
    }

    // MARK: Requests

    static let anna = "anna:secret"
    static let bert = "bert:geheim"

    /// - Parameters:
    ///   - login: name and password, separated by a colon.
    ///   - fields: further header fields.
    func run(
        _ method: HTTPRequest.Method, _ target: String, _ body: Request.Body = .whole([]), login: String? = anna,
        fields: KeyValuePairs<String, String> = [:], from address: String? = "10.0.0.1", id: UInt64? = nil,
        mayBeLong: Bool = true
    ) throws -> HandlerRun {
        let target = Target(raw: Array(target.utf8)[...], mountPoint: [])
        var list = FieldList()
        if let login {
            let value = "Basic \(Base64.standard.encode(Array(login.utf8)))"
            list.append(name: "Authorization".utf8, value: value.utf8)
        }
        for (name, value) in fields { list.append(name: name.utf8, value: value.utf8) }
        let request = Request(
            method: method, target: target, fields: list, body: body, remoteAddress: address, id: id.map(test.request))
        let path = try #require(target.segments)
        let run = HandlerRun(commit: { [self] () throws(StoreFailure) in
            if let commitFailure {
                test.rollBack()
                throw commitFailure
            }
            try test.commit()
        })
        run.mayBeLong = mayBeLong
        _ = run.begin { [handlers] context async throws(StoreFailure) in
            try await handlers.answer(request, path: path, context)
        }
        try test.commit()
        return run
    }

    func response(
        _ method: HTTPRequest.Method, _ target: String, _ body: Request.Body = .whole([]), login: String? = anna,
        fields: KeyValuePairs<String, String> = [:], from address: String? = "10.0.0.1", id: UInt64? = nil
    ) throws -> Response {
        try #require(
            try run(method, target, body, login: login, fields: fields, from: address, id: id).response())
    }

    /// Resumes a waiting request if there is news for it.
    /// - Returns: its response, or `nil` if it still waits.
    func resumeIfNews(_ run: HandlerRun) throws -> Response? {
        let interest = try #require(run.interest as? ClientInterest)
        let hasNews = try LoopExecutor.complete { [handlers] () async throws(StoreFailure) in
            try await handlers.news(for: [interest])
        }
        if hasNews == [true] { run.wake(.news) }
        return run.isWaiting ? nil : try run.response()
    }

    /// Applies the file.
    func configure() throws -> Configuring {
        try LoopExecutor.complete { [handlers] () async throws(StoreFailure) in try await handlers.configure() }
    }

    func setPassword(of user: String, to password: String, by login: User? = nil) throws -> PasswordChange {
        try LoopExecutor.complete { [handlers] () async throws(StoreFailure) in
            try await handlers.setPassword(of: user, to: password, by: login)
        }
    }

    func status(
        _ method: HTTPRequest.Method, _ target: String, _ body: String = "", login: String? = anna,
        fields: KeyValuePairs<String, String> = [:], from address: String? = "10.0.0.1", id: UInt64? = nil
    ) throws -> Int {
        try response(
            method, target, .whole(Array(body.utf8)), login: login, fields: fields, from: address, id: id
        ).head.status.code
    }

    /// The ids and texts that a client reads.
    func read(_ client: String, _ query: String = "", login: String = anna, id: UInt64? = nil) throws -> [String] {
        let response = try response(.get, "/read/\(client)\(query)", login: login, id: id)
        #expect(response.head.status == .ok)
        let messages = try #require(try JSON(parsing: response.body)["messages"]?.array)
        return messages.map { "\($0["id"]?.integer ?? 0) \($0["message"]?.string ?? "")" }
    }
}

extension Response {
    /// Whether this is an error in the form that clients know, and nothing else.
    func isError(refresh: Bool = false) throws -> Bool {
        guard case .object(let members) = try JSON(parsing: body) else { return false }
        return members.map(\.name) == ["refresh", "message"] && members[0].value == .bool(refresh)
            && members[1].value.string?.hasSuffix(".") == true
            && head.headerFields[.contentType] == "application/json; charset=utf-8"
            && head.headerFields[.noSniff] == "nosniff" && head.headerFields[.cacheControl] == "no-store"
    }

    /// Whether this is a success without a body.
    var isEmptySuccess: Bool {
        head.status == .ok && body.isEmpty && head.headerFields[.cacheControl] == "no-store"
    }
}
