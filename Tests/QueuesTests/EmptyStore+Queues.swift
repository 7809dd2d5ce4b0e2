import HTTP
import Linux
import MappedStore
import Queues
import StoreSupport
import Testing
import Values

extension Engine {
    /// Runs `body` with a store that has one queue, "q", and one user, "u", who may listen to it.
    func withQueue(_ limits: QueueLimits = QueueLimits(), _ body: (EmptyStore) throws -> Void) throws {
        try withStore { test in
            try test.configure(queues: ["q": limits])
            try body(test)
        }
    }
}

/// Short forms of the operations on queues.
extension EmptyStore {
    func message(_ body: String) -> Message { Message(body: Array(body.utf8), receivedAt: moment.wall) }

    // MARK: Configuration

    /// Users with the queues that they may listen to, and queues with their limits.
    static func configuration(
        users: KeyValuePairs<String, [String]> = ["u": ["q"]],
        queues: KeyValuePairs<String, QueueLimits> = ["q": QueueLimits()]
    ) throws -> QueueConfiguration {
        QueueConfiguration(
            users: try users.map { name, queues in
                QueueConfiguration.User(name: name, hash: try #require(PasswordHash("plain;;secret")), queues: queues)
            }, queues: queues.map { QueueSettings(name: $0, limits: $1) })
    }

    func configure(
        users: KeyValuePairs<String, [String]> = ["u": ["q"]],
        queues: KeyValuePairs<String, QueueLimits> = ["q": QueueLimits()], for request: RequestID? = nil
    ) throws {
        try configure(Self.configuration(users: users, queues: queues), for: request)
    }

    func configure(_ configuration: QueueConfiguration, for request: RequestID? = nil) throws {
        #expect(try queues.configure(configuration, since: nil, for: request))
        try commit()
    }

    func queue(_ name: String = "q") throws -> Queue { try #require(try queues.queue(named: name)) }

    func user(_ name: String = "u") throws -> User { try #require(try queues.user(named: name)) }

    // MARK: Messages

    func post(_ bodies: String..., to name: String = "q", for request: RequestID? = nil) throws {
        let queue = try queue(name)
        for body in bodies { #expect(try queues.post(message(body), to: queue, for: request)) }
        try commit()
    }

    func skip(in name: String = "q", for request: RequestID? = nil) throws {
        try queues.skip(in: queue(name), for: request)
        try commit()
    }

    // MARK: Clients

    func listen(_ client: String, of name: String = "u", to queue: String = "q", for request: RequestID? = nil) throws
        -> Listening
    {
        let outcome = try queues.listen(client, of: user(name), to: queue, for: request)
        try commit()
        return outcome
    }

    /// Lets clients listen that do not yet.
    func follow(_ clients: String..., of name: String = "u", queue: String = "q") throws {
        for client in clients { #expect(try listen(client, of: name, to: queue) == .listening) }
    }

    func unlisten(_ client: String, of name: String = "u", for request: RequestID? = nil) throws -> Bool {
        let outcome = try queues.unlisten(client, of: user(name), for: request)
        try commit()
        return outcome
    }

    func read(
        _ client: String, of name: String = "u", limit: Int = .max, isManual: Bool = false,
        for request: RequestID? = nil
    ) throws -> ReadOutcome {
        let how = Reading(limit: limit, isManual: isManual)
        let outcome = try queues.read(client, of: user(name), how, for: request)
        try commit()
        guard case .long(let range, let current) = outcome else { return outcome }
        let pieces = try queues.page(of: range, after: range.after, atMost: .max)
        return .messages(pieces?.map(\.numbered) ?? [], current: current)
    }

    func acknowledge(_ id: UInt64, by client: String, of name: String = "u") throws -> Acknowledgement {
        let outcome = try queues.acknowledge(through: id, by: client, of: user(name))
        try commit()
        return outcome
    }

    func overview(of name: String = "u", after key: [UInt8] = [], limit: Int = 1000) throws -> QueueOverview {
        try queues.overview(of: user(name), after: key, limit: limit)
    }

    /// The outcome of a read that finds these messages.
    func found(_ messages: KeyValuePairs<UInt64, String>, current: UInt64) -> ReadOutcome {
        .messages(messages.map { NumberedMessage(id: $0, message: message($1)) }, current: current)
    }
}
