package import Delivery
package import HTTP
package import Values

/// What outbound webhooks need of a store. Each operation is whole: it happens or it does not, also when the process dies in
/// it.
///
/// An engine may gather what several requests write; it is kept for good once the engine's own `commit` has returned.
/// Where a request has an id, doing it again with the same id changes nothing and answers the same.
package protocol WebhookStore: AnyObject {
    // MARK: Webhooks

    /// An environment's webhooks, in the order they were made.
    func webhooks(of environment: UUID) async throws(StoreFailure) -> [Webhook]

    func webhook(_ id: UUID) async throws(StoreFailure) -> Webhook?

    /// Makes a webhook, and gives its destination a number and its environment's keyring.
    /// - Parameters:
    ///   - key: the environment's first one, where it has none.
    ///   - limit: how many webhooks an environment may have.
    func create(
        _ webhook: Webhook, for request: RequestID?, limit: Int, key: Keyring.Key?
    ) async throws(StoreFailure) -> WebhookCreation

    /// Puts a webhook in the place of one that is as it was read.
    func replace(_ webhook: Webhook, by changed: Webhook) async throws(StoreFailure) -> Replacement<Webhook>

    /// Removes a webhook with its pending deliveries and its log; false where there is none.
    func delete(_ id: UUID, for request: RequestID?) async throws(StoreFailure) -> Bool

    // MARK: Events

    /// Keeps an event with the deliveries that it causes. The same event id of an environment, or the same idempotency key,
    /// is the same event.
    func accept(
        _ event: Event, in environment: UUID, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> EventAcceptance

    /// Delivers an event once to one webhook, whatever it subscribes to; `nil` where there is none.
    func test(
        _ event: Event, to webhook: UUID, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> UUID?

    // MARK: Logs

    /// A webhook's log, newest first; `nil` where there is none.
    func log(of webhook: UUID, _ query: LogQuery) async throws(StoreFailure) -> LogPage?

    /// Delivers again what a line of the log is about.
    func retry(
        _ entry: UInt64, of webhook: UUID, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> Redelivery

    /// Delivers again what was given up between two times; `nil` where there is no such webhook.
    /// - Returns: how many deliveries were made; as many as `limit` means that there may be more.
    func recover(
        _ webhook: UUID, since: Timestamp, until: Timestamp, limit: Int, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> Int?

    func statistics(of webhook: UUID) async throws(StoreFailure) -> WebhookStatistics?

    // MARK: Settings

    /// The keys of an environment; `nil` where it has none.
    func keyring(of environment: UUID) async throws(StoreFailure) -> Keyring?

    /// The keys of an environment, which begin with `key` where it has none.
    func keyring(of environment: UUID, beginning key: Keyring.Key) async throws(StoreFailure) -> Keyring

    /// Announces a key in an environment's keyring, unless another one is announced already; decides in the transaction that
    /// writes, so that of two rotations at once one key is announced.
    /// - Parameters:
    ///   - now: by the time of day.
    ///   - overlapSeconds: how long the key before the one that signs is still shown.
    /// - Returns: the keyring as it is then; `nil` where the environment has none.
    func rotate(
        _ environment: UUID, to key: Keyring.Key, at now: Timestamp, overlapSeconds: Double
    ) async throws(StoreFailure) -> Keyring?
}

/// Something that happened in an environment.
package struct Event: Equatable, Sendable {
    /// Names the event in its environment.
    package let id: String
    /// By which the same event is known again, where that is not its id.
    package let idempotencyKey: String?
    /// As in `EventType.all`.
    package let type: String
    /// What is sent.
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
    /// The environment has as many as it may.
    case tooMany
    /// The environment has no key yet, and none was given.
    case noKey
}

package struct EventAcceptance: Equatable, Sendable {
    /// Of the event that is kept: the one that came first.
    package let eventID: String
    /// How many deliveries it caused.
    package let deliveries: Int
    /// Whether it had come before.
    package let isRepeated: Bool

    package init(eventID: String, deliveries: Int, isRepeated: Bool) {
        self.eventID = eventID
        self.deliveries = deliveries
        self.isRepeated = isRepeated
    }
}

package struct LogQuery: Equatable, Sendable {
    /// How many lines at the most.
    package var limit: Int
    /// Only lines before this one.
    package var before: UInt64?
    package var event: String?
    /// Only those that succeeded, or failed.
    package var succeeded: Bool?
    /// Only those that were answered with this status.
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
    /// The line before which to go on; `nil` where nothing is left.
    package var next: UInt64?

    package init(entries: [LogEntry], next: UInt64? = nil) {
        self.entries = entries
        self.next = next
    }
}

package struct WebhookStatistics: Equatable, Sendable {
    package let health: DestinationHealth
    /// Deliveries that are not over.
    package let pending: Int

    package init(health: DestinationHealth, pending: Int) {
        self.health = health
        self.pending = pending
    }
}
