package import Delivery
package import HTTP
package import Values

/// What event routing needs of a store. Each operation is whole: it happens or it does not, also when the process dies in it.
///
/// An engine may gather what several requests write; it is kept for good once the engine's own `commit` has returned.
/// Where a request has an id, doing it again with the same id changes nothing and answers the same.
package protocol EventStore: AnyObject {
    // MARK: Subscriptions

    /// A user's subscriptions in the order they were made.
    /// - Parameter after: the number of the destination after which they begin.
    func subscriptions(of user: String, after: UInt64?, limit: Int) async throws(StoreFailure) -> [Subscription]

    func subscription(_ id: UUID) async throws(StoreFailure) -> Subscription?

    /// Makes a subscription and gives its destination a number.
    /// - Parameter limit: how many the user may have.
    func create(
        _ subscription: Subscription, for request: RequestID?, limit: Int
    ) async throws(StoreFailure) -> SubscriptionCreation

    /// Puts a subscription in the place of one that is as it was read.
    func replace(
        _ subscription: Subscription, by changed: Subscription
    ) async throws(StoreFailure) -> Replacement<Subscription>

    /// Removes a user's subscription with its pending deliveries and its log; false where the user has none of that id.
    func deleteSubscription(_ id: UUID, of user: String, for request: RequestID?) async throws(StoreFailure) -> Bool

    // MARK: Events

    /// Keeps events until they are matched. One whose identity an event has that is still kept is not kept again.
    /// - Returns: the ids by which they are known; those given, or of the first time where the request was done before, or
    ///   there is such an event already.
    func receive(
        _ events: [ReceivedEvent], for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> [UUID]

    /// An event and what became of it; `nil` where it is not there, or no longer.
    /// - Parameter user: whose subscriptions to tell of; `nil`: everyone's.
    func event(_ id: UUID, for user: String?) async throws(StoreFailure) -> EventHistory?

    // MARK: Deliveries

    /// What became of a subscription's events, newest attempt first.
    func deliveries(of subscription: UUID, _ query: DeliveryQuery) async throws(StoreFailure) -> [DeliveryLine]?

    /// Delivers again what a line of its log is about, unless the subscription is gone: another one may have its id since.
    func redeliver(
        _ line: UInt64, of subscription: Subscription, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> Redelivery

    /// Has the events between two times matched against one subscription once more, behind what was asked for before; unless the
    /// subscription is gone: another one may have its id since.
    /// - Parameter all: whether those are delivered again that were delivered.
    func replay(
        _ subscription: Subscription, since: Timestamp, until: Timestamp, all: Bool, for request: RequestID?
    ) async throws(StoreFailure) -> ReplayRequest
}

/// What becomes of a request for a replay.
package enum ReplayRequest: Equatable, Sendable {
    case accepted
    case unknownSubscription
    /// As many are waiting as may.
    case tooMany

    /// How many of one subscription may wait, the one that is under way among them.
    package static let limit = 16
}

package enum SubscriptionCreation: Equatable, Sendable {
    case made(Subscription)
    case idTaken
    /// The user has as many as a user may have.
    case tooMany
}

/// An event that is not kept yet.
package struct ReceivedEvent: Equatable, Sendable {
    /// By which it is known here.
    package let id: UUID
    /// As the event says it; empty where it does not.
    package let type: String
    /// A JSON object.
    package let body: [UInt8]
    /// By which the same event is known again; `nil` where every event is a new one.
    package let identity: Identity?

    /// What CloudEvents that are the same have in common (spec.md, "id").
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
    /// Whether it waits to be matched, or for deliveries to be made of what matched.
    package let isWaiting: Bool
    /// What it matched, in the order the subscriptions were made; those that are gone, or that are not to be told of, are left
    /// out.
    package let matches: [Match]
    /// How many were left out.
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
    /// How many lines at the most.
    package var limit: Int
    /// Only lines before this one.
    package var before: UInt64?
    /// Only those that succeeded, or failed.
    package var succeeded: Bool?

    package init(limit: Int = 100, before: UInt64? = nil, succeeded: Bool? = nil) {
        self.limit = limit
        self.before = before
        self.succeeded = succeeded
    }
}
