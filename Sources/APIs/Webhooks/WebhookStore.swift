package import Delivery
package import HTTP
package import Values

/// The operations that outbound webhooks need of a store. Each operation is atomic, even if the process dies in the middle.
///
/// An engine may collect the writes of several requests; they last once the engine's own `commit` has returned. A request
/// with an id can be retried: with the same id it changes nothing more and gets the same answer.
package protocol WebhookStore: AnyObject {
    // MARK: Webhooks

    /// An environment's webhooks, in the order they were created.
    func webhooks(of environment: UUID) async throws(StoreFailure) -> [Webhook]

    func webhook(_ id: UUID) async throws(StoreFailure) -> Webhook?

    /// Creates a webhook, and gives its destination a number and its environment's keyring.
    /// - Parameters:
    ///   - key: the first key of the environment, used if it has none.
    ///   - limit: the most webhooks that an environment may have.
    func create(
        _ webhook: Webhook, for request: RequestID?, limit: Int, key: Keyring.Key?
    ) async throws(StoreFailure) -> WebhookCreation

    /// Replaces a webhook, if it is still as it was read.
    func replace(_ webhook: Webhook, by changed: Webhook) async throws(StoreFailure) -> Replacement<Webhook>

    /// Removes a webhook with its pending deliveries and its log; false if it does not exist.
    func delete(_ id: UUID, for request: RequestID?) async throws(StoreFailure) -> Bool

    // MARK: Events

    /// Stores an event with the deliveries that it causes. An event of an environment with the same id or the same
    /// idempotency key as a stored one is the same event.
    func accept(
        _ event: Event, in environment: UUID, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> EventAcceptance

    /// Delivers an event once to one webhook, whatever it subscribes to; `nil` if the webhook does not exist.
    func test(
        _ event: Event, to webhook: UUID, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> UUID?

    // MARK: Logs

    /// A webhook's log, newest entry first; `nil` if the webhook does not exist.
    func log(of webhook: UUID, _ query: LogQuery) async throws(StoreFailure) -> LogPage?

    /// Delivers again what a log entry is about.
    func retry(
        _ entry: UInt64, of webhook: UUID, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> Redelivery

    /// Delivers again what was given up between two times; `nil` if the webhook does not exist.
    /// - Returns: how many deliveries were created; if that equals `limit`, there may be more.
    func recover(
        _ webhook: UUID, since: Timestamp, until: Timestamp, limit: Int, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> Int?

    func statistics(of webhook: UUID) async throws(StoreFailure) -> WebhookStatistics?

    // MARK: Settings

    /// The keys of an environment; `nil` if it has none.
    func keyring(of environment: UUID) async throws(StoreFailure) -> Keyring?

    /// The keys of an environment. If it has none, `key` becomes its first.
    func keyring(of environment: UUID, beginning key: Keyring.Key) async throws(StoreFailure) -> Keyring

    /// Announces a key in an environment's keyring, unless another one is announced already. This is decided in the write
    /// transaction, so that two rotations at the same time announce only one key.
    /// - Parameters:
    ///   - now: by the time of day.
    ///   - overlapSeconds: how long the previous key is still shown.
    /// - Returns: the resulting keyring; `nil` if the environment has none.
    func rotate(
        _ environment: UUID, to key: Keyring.Key, at now: Timestamp, overlapSeconds: Double
    ) async throws(StoreFailure) -> Keyring?
}

/// An event that happened in an environment.
package struct Event: Equatable, Sendable {
    /// Identifies the event in its environment.
    package let id: String
    /// The key that identifies a repeated event, if that is not its id.
    package let idempotencyKey: String?
    /// One of the names in `EventType.all`.
    package let type: String
    /// The body that is sent.
    package let body: [UInt8]

    package init(id: String, idempotencyKey: String? = nil, type: String, body: [UInt8]) {
        self.id = id
        self.idempotencyKey = idempotencyKey
        self.type = type
        self.body = body
    }
}

package enum WebhookCreation: Equatable, Sendable {
    case created(Webhook)
    /// The environment has as many webhooks as it may have.
    case tooMany
    /// The environment has no key yet, and none was passed; or its keyring cannot be read.
    case noKey
}

package struct EventAcceptance: Equatable, Sendable {
    /// The id of the stored event: for a repeated event, that of the first one.
    package let eventID: String
    /// How many deliveries it caused.
    package let deliveries: Int
    /// Whether the event was received before.
    package let isRepeated: Bool

    package init(eventID: String, deliveries: Int, isRepeated: Bool) {
        self.eventID = eventID
        self.deliveries = deliveries
        self.isRepeated = isRepeated
    }
}

package struct LogQuery: Equatable, Sendable {
    /// The most log entries to return.
    package var limit: Int
    /// Only log entries before this one.
    package var before: UInt64?
    package var event: String?
    /// `true`: only successful attempts; `false`: only failed ones.
    package var succeeded: Bool?
    /// Only attempts with this response status.
    package var status: Int?

    package init(
        limit: Int = 100, before: UInt64? = nil, event: String? = nil, succeeded: Bool? = nil, status: Int? = nil
    ) {
        self.limit = limit
        self.before = before
        self.event = event
        self.succeeded = succeeded
        self.status = status
    }
}

/// A part of a log.
package struct LogPage: Equatable, Sendable {
    package var entries: [LogEntry]
    /// The entry before which to continue; `nil` at the end.
    package var next: UInt64?

    package init(entries: [LogEntry], next: UInt64? = nil) {
        self.entries = entries
        self.next = next
    }
}

package struct WebhookStatistics: Equatable, Sendable {
    package let health: DestinationHealth
    /// Deliveries that have not ended.
    package let pending: Int

    package init(health: DestinationHealth, pending: Int) {
        self.health = health
        self.pending = pending
    }
}
