package import HTTP
internal import MappedStore
package import Queues
internal import Storage
package import Values

/// Queues in a database: each operation waits for its batch.
package final class BatchedQueues {
    private let batches: Batches
    private let store: MappedQueues

    init(_ batches: Batches, _ store: MappedQueues) {
        (self.batches, self.store) = (batches, store)
    }
}

extension BatchedQueues: QueueStore {
    package func time() async throws(StoreFailure) -> UInt64 {
        try await batches.run { [store] () throws(StoreFailure) in try store.time() }
    }

    package func queue(named name: String) async throws(StoreFailure) -> Queue? {
        try await batches.run { [store] () throws(StoreFailure) in try store.queue(named: name) }
    }

    package func current(_ queue: Queue) async throws(StoreFailure) -> Queue? {
        try await batches.run { [store] () throws(StoreFailure) in try store.current(queue) }
    }

    package func post(_ message: Message, to queue: Queue, for request: RequestID?) async throws(StoreFailure) -> Bool {
        try await batches.run { [store] () throws(StoreFailure) in try store.post(message, to: queue, for: request) }
    }

    @discardableResult
    package func skip(in queue: Queue, for request: RequestID?) async throws(StoreFailure) -> Bool {
        try await batches.run { [store] () throws(StoreFailure) in try store.skip(in: queue, for: request) }
    }

    package func user(named name: String) async throws(StoreFailure) -> User? {
        try await batches.run { [store] () throws(StoreFailure) in try store.user(named: name) }
    }

    package func current(userNamed name: String) async throws(StoreFailure) -> User? {
        try await batches.run { [store] () throws(StoreFailure) in try store.current(userNamed: name) }
    }

    package func listen(_ client: String, of user: User, to queue: String, for request: RequestID?)
        async throws(StoreFailure) -> Listening
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.listen(client, of: user, to: queue, for: request)
        }
    }

    package func unlisten(_ client: String, of user: User, for request: RequestID?) async throws(StoreFailure) -> Bool {
        try await batches.run { [store] () throws(StoreFailure) in try store.unlisten(client, of: user, for: request) }
    }

    package func read(_ client: String, of user: User, _ how: Reading, for request: RequestID?)
        async throws(StoreFailure) -> ReadOutcome
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.read(client, of: user, how, for: request) }
    }

    package func page(of range: MessageRange, after id: UInt64, atMost bytes: Int) async throws(StoreFailure)
        -> [MessagePiece]?
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.page(of: range, after: id, atMost: bytes) }
    }

    package func body(of range: MessageRange, at id: UInt64, bytes: Range<Int>) async throws(StoreFailure) -> [UInt8]? {
        try await batches.run { [store] () throws(StoreFailure) in try store.body(of: range, at: id, bytes: bytes) }
    }

    package func takeBack(_ range: MessageRange, of client: String, _ user: User) async throws(StoreFailure) {
        try await batches.run { [store] () throws(StoreFailure) in try store.takeBack(range, of: client, user) }
    }

    package func hasNews(for clients: [(name: String, user: User)]) async throws(StoreFailure) -> [Bool] {
        try await batches.runAll(clients) { [store] client throws(StoreFailure) in
            try store.hasNews(for: [client])
        }.map { $0 == [true] }
    }

    package func acknowledge(through id: UInt64, by client: String, of user: User) async throws(StoreFailure)
        -> Acknowledgement
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.acknowledge(through: id, by: client, of: user)
        }
    }

    package func overview(of user: User, after key: [UInt8], limit: Int) async throws(StoreFailure) -> QueueOverview {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.overview(of: user, after: key, limit: limit)
        }
    }

    package func peek(at queue: String, for user: User, before id: UInt64?, limit: Int) async throws(StoreFailure)
        -> QueuePeek?
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.peek(at: queue, for: user, before: id, limit: limit)
        }
    }

    package func message(_ id: UInt64, of queue: String, for user: User) async throws(StoreFailure) -> MessageLookup {
        try await batches.run { [store] () throws(StoreFailure) in try store.message(id, of: queue, for: user) }
    }

    package func logins(_ attempt: LoginAttempt) async throws(StoreFailure) -> LoginRecord {
        try await batches.run { [store] () throws(StoreFailure) in try store.logins(attempt) }
    }

    package func recordFailure(_ attempt: LoginAttempt, at now: Timestamp) async throws(StoreFailure) {
        try await batches.run { [store] () throws(StoreFailure) in try store.recordFailure(attempt, at: now) }
    }

    package func recordSuccess(_ attempt: LoginAttempt, at now: Timestamp) async throws(StoreFailure) {
        try await batches.run { [store] () throws(StoreFailure) in try store.recordSuccess(attempt, at: now) }
    }

    package func hashesInForce() async throws(StoreFailure) -> [PasswordHash] {
        try await batches.run { [store] () throws(StoreFailure) in try store.hashesInForce() }
    }

    package func configurationRevision() async throws(StoreFailure) -> UInt64 {
        try await batches.run { [store] () throws(StoreFailure) in try store.configurationRevision() }
    }

    package func configure(_ configuration: QueueConfiguration, since revision: UInt64?, for request: RequestID?)
        async throws(StoreFailure) -> Bool
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.configure(configuration, since: revision, for: request)
        }
    }

    package func setPassword(of user: String, to hash: PasswordHash, by login: User?, for request: RequestID?)
        async throws(StoreFailure) -> Bool
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.setPassword(of: user, to: hash, by: login, for: request)
        }
    }

    package func hasConfigured(_ request: RequestID?) async throws(StoreFailure) -> Bool {
        try await batches.run { [store] () throws(StoreFailure) in try store.hasConfigured(request) }
    }
}

extension BatchedQueues: QueueMaintenance {
    package func forgetLogins(at now: Timestamp, from start: [UInt8], limit: Int) async throws(StoreFailure) -> [UInt8]
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.forgetLogins(at: now, from: start, limit: limit)
        }
    }
}

extension BatchedQueues: QueueAdministration {
    package func isConfigured() async throws(StoreFailure) -> Bool {
        try await batches.run { [store] () throws(StoreFailure) in try store.isConfigured() }
    }

    package func allQueues() async throws(StoreFailure) -> [(entry: QueueOverview.QueueEntry, clients: Int)] {
        try await batches.run { [store] () throws(StoreFailure) in try store.allQueues() }
    }
}
