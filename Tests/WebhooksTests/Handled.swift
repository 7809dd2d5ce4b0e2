import Delivery
import HTTP
import HTTPTypes
import JSON
import StoreSupport
import Testing
import Values

@testable import Webhooks

/// The handlers with a store in memory.
final class Handled: KeyMaking, EnvironmentDirectory {
    let store = MemoryStore()
    var moment = Example.moment
    var environmentResult = LookupResult.found(true)
    var refusal = LookupResult<String?>.found(nil)
    var makesKeys = true
    private var keyCount = 0
    private let settings: WebhookSettings
    private lazy var handlers = WebhookHandlers(
        store: store, settings: settings, urls: SecureURLs { [unowned self] in refusal }, sealing: Example.sealing,
        keys: self, environments: self, now: { [unowned self] in moment },
        random: SystemRandomNumberGenerator())

    init(_ settings: WebhookSettings = WebhookSettings()) { self.settings = settings }

    func key(signsFrom time: Timestamp) async -> KeyMade {
        guard makesKeys else { return .failed }
        keyCount += 1
        return .key(Example.key("key\(keyCount)", signsFrom: time))
    }

    func environment(_ id: UUID, _ context: any RequestContext) async -> LookupResult<Bool> { environmentResult }

    func pass(seconds: Double) {
        moment = Moment(wall: moment.wall.adding(seconds: seconds), steady: moment.steady.adding(seconds: seconds))
    }

    func answer(
        _ method: HTTPRequest.Method, _ target: String, _ body: Request.Body = .whole([]),
        fields: [(String, String)] = [], id: UInt64? = nil
    ) throws -> Response? {
        var list = FieldList()
        for (name, value) in fields { list.append(name: name.utf8, value: value.utf8) }
        let target = Target(raw: Array(target.utf8)[...], mountPoint: [])
        let request = Request(
            method: method, target: target, fields: list, body: body,
            id: id.map { RequestID(milliseconds: 1, high: 1, low: $0) })
        let path = try #require(target.segments)
        let run = HandlerRun().begin { [handlers] context async throws(StoreFailure) in
            try await handlers.answer(request, path: path, context)
        }
        return try run.response()
    }

    /// The status and the JSON of an answer.
    func call(
        _ method: HTTPRequest.Method, _ target: String, _ body: String = "", fields: [(String, String)] = [],
        id: UInt64? = nil
    ) throws -> (status: Int, json: JSON) {
        let response = try #require(try answer(method, target, .whole(Array(body.utf8)), fields: fields, id: id))
        let json = response.body.isEmpty ? JSON.null : try JSON(parsing: response.body)
        if response.head.status.code >= 400 {
            #expect(members(json) == ["error_code", "http_code", "internal_message", "message", "stacktrace"])
            #expect(json["http_code"]?.integer == response.head.status.code)
            #expect(json["stacktrace"] == .array([]))
        }
        return (response.head.status.code, json)
    }

    /// Creates a webhook, and returns its id.
    func create(_ body: String = Example.minimal) throws -> String {
        let (status, json) = try call(.post, "/environments/\(Example.environment)/webhooks", body)
        #expect(status == 201)
        return try #require(json["webhook_id"]?.string)
    }
}
