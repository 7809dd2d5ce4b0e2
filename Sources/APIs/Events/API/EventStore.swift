package import Delivery
package import HTTP
package import Values

/// The operations that event routing needs of a store. Each operation is atomic, even if the process dies in the middle.
///
/// An engine may collect the writes of several requests; they last once the engine's own `commit` has returned. A request
/// with an id can be retried: with the same id it changes nothing more and gets the same answer.
package protocol EventStore: AnyObject {
    // MARK: Subscriptions

    /// A user's subscriptions in the order they were created.
    /// - Parameter after: the number of a destination; only subscriptions after it are returned.
    func subscriptions(of user: String, after: UInt64?, limit: Int) async throws(StoreFailure) -> [Subscription]

    func subscription(_ id: UUID) async throws(StoreFailure) -> Subscription?

    /// Creates a subscription and gives its destination a number.
    /// - Parameter limit: the most subscriptions that the user may have.
    func create(
        _ subscription: Subscription, for request: RequestID?, limit: Int
    ) async throws(StoreFailure) -> SubscriptionCreation

    /// Replaces a subscription, if it is still as it was read.
    func replace(
        _ subscription: Subscription, by changed: Subscription
    ) async throws(StoreFailure) -> Replacement<Subscription>

    /// Removes a user's subscription with its pending deliveries and its log; false if the user has no such subscription.
    func deleteSubscription(_ id: UUID, of user: String, for request: RequestID?) async throws(StoreFailure) -> Bool

    // MARK: Events

    /// Stores events until they are matched. An event with the same identity as a stored event is not stored again.
    /// - Returns: the ids of the events: those given or, for a repeated request or an event that is stored already, the
    ///   earlier ones.
    func receive(
        _ events: [ReceivedEvent], for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> [UUID]

    /// An event and its history; `nil` if it does not exist, or no longer.
    /// - Parameter user: include only this user's subscriptions; `nil`: all.
    func event(_ id: UUID, for user: String?) async throws(StoreFailure) -> EventHistory?

    // MARK: Deliveries

    /// The log of a subscription's deliveries, newest attempt first; `nil` if there is no such subscription.
    func deliveries(of subscription: UUID, _ query: DeliveryQuery) async throws(StoreFailure) -> [DeliveryLine]?

    /// Delivers again what a log entry is about, unless the subscription is gone: another one may have the same id by now.
    func redeliver(
        _ line: UInt64, of subscription: Subscription, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> Redelivery

    /// Requests that the events between two times are matched against one subscription once more, after the replays that
    /// were requested earlier. Does nothing if the subscription is gone: another one may have the same id by now.
    /// - Parameter all: whether to deliver again the events that were delivered already.
    func replay(
        _ subscription: Subscription, since: Timestamp, until: Timestamp, all: Bool, for request: RequestID?
    ) async throws(StoreFailure) -> ReplayRequest
}

/// The outcome of a request for a replay.
package enum ReplayRequest: Equatable, Sendable {
    case accepted
    case unknownSubscription
    /// The subscription has as many pending replays as it may have.
    case tooMany

    /// The most replays that may be pending for a subscription, the one in progress included.
    package static let limit = 16
}

package enum SubscriptionCreation: Equatable, Sendable {
    case made(Subscription)
    case idTaken
    /// The user has as many subscriptions as a user may have.
    case tooMany
}

/// An event that is not stored yet.
package struct ReceivedEvent: Equatable, Sendable {
    /// The id that it gets here.
    package let id: UUID
    /// The type as the event gives it; empty if it gives none.
    package let type: String
    /// A JSON object.
    package let body: [UInt8]
    /// The identity by which a repeated event is recognized; `nil`: the event is always new.
    package let identity: Identity?

    /// The attributes that identify a CloudEvent (spec.md, "id").
    package struct Identity: Hashable, Sendable {
        package let source: String
        package let id: String

        package init(source: String, id: String) {
            self.source = source
            self.id = id
        }
    }

    package init(id: UUID, type: String, body: [UInt8], identity: Identity? = nil) {
        self.id = id
        self.type = type
        self.body = body
        self.identity = identity
    }
}

package struct EventHistory: Equatable, Sendable {
    package let id: UUID
    package let receivedAt: Timestamp
    package let body: [UInt8]
    /// Whether the event waits to be matched, or matched deliveries are still to be created.
    package let isWaiting: Bool
    /// The subscriptions that it matched, in the order they were created; those that are gone or were not asked for are left
    /// out.
    package let matches: [Match]
    /// How many matches were left out.
    package let otherMatches: Int

    package struct Match: Equatable, Sendable {
        package let subscription: UUID
        package let user: String
        /// Oldest first.
        package let attempts: [DeliveryLine]

        package init(subscription: UUID, user: String, attempts: [DeliveryLine]) {
            self.subscription = subscription
            self.user = user
            self.attempts = attempts
        }
    }

    package init(
        id: UUID, receivedAt: Timestamp, body: [UInt8], isWaiting: Bool, matches: [Match], otherMatches: Int
    ) {
        self.id = id
        self.receivedAt = receivedAt
        self.body = body
        self.isWaiting = isWaiting
        self.matches = matches
        self.otherMatches = otherMatches
    }
}

package struct DeliveryQuery: Equatable, Sendable {
    /// The most log entries to return.
    package var limit: Int
    /// Only log entries before this one.
    package var before: UInt64?
    /// `true`: only successful attempts; `false`: only failed ones.
    package var succeeded: Bool?

    package init(limit: Int = 100, before: UInt64? = nil, succeeded: Bool? = nil) {
        self.limit = limit
        self.before = before
        self.succeeded = succeeded
    }
}
