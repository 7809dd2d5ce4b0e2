internal import Encodings
package import HTTP
package import HTTPTypes
internal import JSON
package import Values

/// The codes by which clients distinguish errors.
package enum ErrorCode: Int, Equatable, Sendable, CaseIterable {
    case malformedJSON = 1000
    case validation = 1001
    /// An id in the path is not a UUID, or the path does not exist.
    case nothingThere = 1002
    case unknownEvent = 1003
    case badURL = 1004
    case badHeaders = 1005
    case forbidden = 1101
    case unknownWebhook = 1200
    case unknownEnvironment = 1201
    case unknownLog = 1202
    case wrongMethod = 1300
    case bodyTooLarge = 1301
    case wrongMediaType = 1302
    case tooManyRequests = 1303
    /// `Host` is not the name of this service.
    case misdirected = 1304
    case failure = 1500
    case storeUnavailable = 1501
    case projectsUnavailable = 1503
    /// Too many requests wait for other services.
    case busy = 1504

    package var status: HTTPResponse.Status {
        switch self {
        case .malformedJSON, .validation, .unknownEvent, .badURL, .badHeaders: .badRequest
        case .forbidden: .forbidden
        case .misdirected: .misdirectedRequest
        case .nothingThere, .unknownWebhook, .unknownEnvironment, .unknownLog: .notFound
        case .wrongMethod: .methodNotAllowed
        case .bodyTooLarge: .contentTooLarge
        case .wrongMediaType: .unsupportedMediaType
        case .tooManyRequests: .tooManyRequests
        case .failure: .internalServerError
        case .storeUnavailable, .projectsUnavailable, .busy: .serviceUnavailable
        }
    }
}

/// Why a request fails, as reported to clients.
package struct APIError: APIFailure, Equatable, Sendable {
    package let code: ErrorCode
    /// One or more sentences.
    package let message: String
    /// For operators; sent to clients only while debugging.
    package let internalMessage: String
    /// The failure of the store, if that is the reason.
    package let failure: StoreFailure?

    package init(
        _ code: ErrorCode, _ message: String, internalMessage: String = "", failure: StoreFailure? = nil
    ) {
        self.code = code
        self.message = message
        self.internalMessage = internalMessage
        self.failure = failure
    }

    package func response(isDebugging: Bool = false) -> Response {
        var response = Response.json(code.status, body(status: code.status.code, isDebugging: isDebugging))
        if code.status == .serviceUnavailable { response.head.headerFields[.retryAfter] = "5" }
        return response
    }

    /// The documented error object.
    package func body(status: Int, isDebugging: Bool = false) -> [UInt8] {
        objectJSON { json in
            json.member("error_code", code.rawValue)
            json.member("http_code", status)
            json.member("internal_message", isDebugging ? internalMessage : "")
            json.member("message", message)
            json.member("stacktrace", [])
        }
    }

    /// The error that a client receives when the store fails.
    package init(_ failure: StoreFailure) {
        switch failure {
        case .full:
            self.init(
                .storeUnavailable, "The store is full. Stored data can still be read and deleted.", failure: failure)
        case .damaged(let what): self.init(.failure, Response.damageText, internalMessage: what, failure: failure)
        case .unavailable(let reason), .lost(let reason):
            self.init(
                .storeUnavailable, "The store cannot be used at the moment.", internalMessage: reason,
                failure: failure)
        case .rolledBack:
            self.init(.storeUnavailable, "The store cannot be used at the moment.", failure: failure)
        }
    }
}

/// An error in a body, and its position.
struct InputFault: Equatable {
    let code: ErrorCode
    /// For example `events[2]`; empty for the whole body.
    let path: String
    /// The reason, as the rest of a sentence.
    let reason: String
}

extension APIError {
    /// One error for all faults of a body. If their codes differ, its code is `validation`.
    init(_ faults: [InputFault]) {
        let codes = Set(faults.map(\.code))
        var message = faults.prefix(Self.shownFaults).map { fault in
            fault.path.isEmpty ? "\(fault.reason)." : "\(fault.path): \(fault.reason)."
        }.joined(separator: " ")
        if faults.count > Self.shownFaults { message += " And \(faults.count - Self.shownFaults) more." }
        self.init(codes.count == 1 ? faults[0].code : .validation, message)
    }

    private static let shownFaults = 20
}

/// An object that a client sent: its members, and the faults found in them.
struct InputObject {
    private let members: [String: JSONNode]
    private let text: [UInt8]
    var faults: [InputFault] = []

    init(parsing body: [UInt8]) throws(APIError) {
        guard let text = jsonText(body) else { throw APIError(.malformedJSON, "The body is not UTF-8.") }
        let root = try JSONDocument(body: text) { APIError(.malformedJSON, $0) }.root
        guard let nodes = root.members else { throw APIError(.validation, "The body must be an object.") }
        var members: [String: JSONNode] = [:]
        for member in nodes where members.updateValue(member.value, forKey: member.name) != nil {
            faults.append(InputFault(code: .validation, path: shown(member.name), reason: "duplicate member"))
        }
        self.members = members
        self.text = text
    }

    /// Reports members other than the known ones, because they would have no effect.
    mutating func refuseOthers(than known: Set<String>) {
        for name in members.keys.filter({ !known.contains($0) }).sorted() {
            fault(shown(name), "unknown member")
        }
    }

    /// All members, in no particular order.
    var all: [JSON.Member] { members.map { JSON.Member($0.key, $0.value.value) } }

    func has(_ name: String) -> Bool { members[name] != nil }

    /// `nil` if the member is missing or null.
    subscript(name: String) -> JSON? {
        guard let value = members[name]?.value, value != .null else { return nil }
        return value
    }

    /// A member's text as it was sent, also for null; `nil` if the member is missing.
    func text(of name: String) -> [UInt8]? { members[name].map { Array(text[$0.range]) } }

    mutating func fault(_ path: String, _ reason: String, _ code: ErrorCode = .validation) {
        faults.append(InputFault(code: code, path: path, reason: reason))
    }

    /// A member that must be a text; also `nil` if it is invalid, which is reported.
    mutating func string(_ name: String, maximumCharacters: Int = .max) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string else {
            fault(name, "must be a string")
            return nil
        }
        guard text.unicodeScalars.count <= maximumCharacters else {
            fault(name, "must have at most \(maximumCharacters) characters")
            return nil
        }
        guard !text.utf8.contains(0) else {
            fault(name, "must not contain NUL characters")
            return nil
        }
        return text
    }

    mutating func time(_ name: String) -> Timestamp? {
        guard let text = string(name) else { return nil }
        guard let time = Timestamp(rfc3339: text) else {
            fault(name, "must be a date and time such as 2026-11-22T06:05:37Z")
            return nil
        }
        return time
    }

    func check() throws(APIError) {
        if !faults.isEmpty { throw APIError(faults) }
    }
}

/// A name that a client chose, shortened for messages.
func shown(_ name: String) -> String { name.shortened(to: 64) }
