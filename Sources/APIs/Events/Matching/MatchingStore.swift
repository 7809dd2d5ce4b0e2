internal import HTTP
package import JSONPath
package import Values

/// What matching needs of a store: the expressions there are, the events that wait, and to keep what matched.
package protocol MatchingStore: AnyObject {
    /// Expressions that are new, changed or gone since a revision, oldest change first. Revision 0 is before all, and asks for
    /// all there are, whatever the limit.
    func expressions(since revision: UInt64, limit: Int) async throws(StoreFailure) -> ExpressionChanges

    /// Events that wait, oldest first, from the one after `skipping` others on.
    /// - Parameter excluded: events, by number, that are left out and not counted.
    func waitingEvents(
        besides excluded: Set<UInt64>, skipping: Int, limit: Int, maximumBytes: Int
    ) async throws(StoreFailure) -> [WaitingEvent]

    /// Keeps what events matched and makes the deliveries, some of them where there are many; then the event goes on
    /// waiting, and `waitingEvents` has what it matched. What no longer waits is left alone: somebody else was faster.
    /// - Returns: how many of the events waited no longer.
    func deliver(_ matches: [EventMatches], at moment: Moment) async throws(StoreFailure) -> Int

    /// A subscription that is to be shown events of the past, and the next of them.
    /// - Parameter subscription: the last one that was taken; the next of the others that wait is taken.
    func waitingReplay(after subscription: UInt64?, limit: Int, maximumBytes: Int) async throws(StoreFailure)
        -> WaitingReplay?

    /// Delivers what matched of a replay's events, and goes on behind the last of them. Does nothing where somebody else has
    /// gone on with it.
    func deliver(_ matched: [UInt64], of replay: WaitingReplay, at moment: Moment) async throws(StoreFailure)

    /// The subscriptions, by number, that follow behind (`WaitingLag`).
    func laggingSubscriptions() async throws(StoreFailure) -> Set<UInt64>

    /// A subscription that is still to be tried with events that others have been matched with, and the next of these.
    /// - Parameters:
    ///   - owner: the last one that was taken; the next of the others is taken.
    ///   - last: of each owner, the last subscription that was taken.
    func waitingLag(
        after owner: UUID?, _ last: [UUID: UInt64], limit: Int, maximumBytes: Int
    ) async throws(StoreFailure) -> WaitingLag?

    /// Delivers what matched of a lag's events, and goes on behind the last of them. Does nothing where somebody else has
    /// gone on with it.
    /// - Returns: false where the subscription lags no longer.
    func deliver(_ matched: [UInt64], of lag: WaitingLag, at moment: Moment) async throws(StoreFailure) -> Bool

    /// Says on a subscription that its expression took too long for an event.
    func reportExpression(of subscription: UInt64, _ text: String) async throws(StoreFailure)
}

package struct ExpressionChanges: Equatable, Sendable {
    package struct Change: Equatable, Sendable {
        /// The subscription's, as its destination is numbered.
        package let number: UInt64
        /// `nil`: it is gone.
        package let expression: Expression?
        /// Whose time its expression takes.
        package let owner: UUID?

        package init(number: UInt64, expression: Expression?, owner: UUID? = nil) {
            self.number = number
            self.owner = owner
            self.expression = expression
        }
    }

    package let changes: [Change]
    /// Of the last of them; what to ask for next.
    package let revision: UInt64
    /// Whether there are later ones.
    package let hasMore: Bool
    /// Whether changes since the revision asked for have been forgotten, so that all is to be read anew, from 0 on.
    package let isIncomplete: Bool

    package init(changes: [Change], revision: UInt64, hasMore: Bool = false, isIncomplete: Bool = false) {
        self.changes = changes
        self.hasMore = hasMore
        self.revision = revision
        self.isIncomplete = isIncomplete
    }
}

/// What a subscription asks of events.
package struct Expression: Hashable, Sendable {
    package let text: String
    package let dialect: JSONPath.Dialect?

    package init(text: String, dialect: JSONPath.Dialect?) {
        self.text = text
        self.dialect = dialect
    }

    // By scalars: what looks alike may mean another member.
    package static func == (left: Expression, right: Expression) -> Bool {
        left.dialect == right.dialect && left.text.utf8.elementsEqual(right.text.utf8)
    }
}

package struct WaitingEvent: Equatable, Sendable {
    package let number: UInt64
    package let body: [UInt8]
    /// What it matched, where that is known already and deliveries are still to be made.
    package let matched: [UInt64]?

    package init(number: UInt64, body: [UInt8], matched: [UInt64]? = nil) {
        self.number = number
        self.body = body
        self.matched = matched
    }
}

/// What an event matched: subscriptions by number, in ascending order.
package struct EventMatches: Equatable, Sendable {
    package let event: UInt64
    package let subscriptions: [UInt64]
    /// Subscriptions that it was not held against yet, as their owners had taken their time; they follow behind.
    package let deferred: [UInt64]

    package init(event: UInt64, subscriptions: [UInt64], deferred: [UInt64] = []) {
        self.event = event
        self.deferred = deferred
        self.subscriptions = subscriptions
    }
}

/// A subscription that follows behind, as its owner's expressions take much time, and what it is to be tried with next.
package struct WaitingLag: Equatable, Sendable {
    package let owner: UUID
    package let subscription: UInt64
    /// `nil` where it cannot be read.
    package let expression: Expression?
    /// Where it stood.
    package let from: UInt64
    /// Oldest first.
    package var events: [WaitingEvent] = []
    /// Events that are still to be matched by others, and were passed over.
    package var passed: [UInt64] = []
    /// Where to go on.
    package var next: UInt64
    /// Whether no event follows.
    package var isAtEnd = false
    /// Whether all of the events were tried.
    package var isWhole = true

    package init(owner: UUID, subscription: UInt64, expression: Expression?, from: UInt64) {
        self.owner = owner
        self.subscription = subscription
        self.expression = expression
        self.from = from
        next = from
    }
}

package struct WaitingReplay: Equatable, Sendable {
    package let subscription: UInt64
    /// Among the subscription's replays, which are done one after the other.
    package let order: UInt64
    package let expression: Expression
    /// The next ones, oldest first; empty where there are no more.
    package let events: [WaitingEvent]
    /// Where it stood, where it ends, and whether it takes in what was delivered.
    package let step: Step
    /// Where to go on.
    package var nextEvent: UInt64

    package struct Step: Equatable, Sendable {
        package let next: UInt64
        package let last: UInt64
        package let all: Bool

        package init(next: UInt64, last: UInt64, all: Bool) {
            self.next = next
            self.last = last
            self.all = all
        }
    }

    package init(
        subscription: UInt64, order: UInt64, expression: Expression, events: [WaitingEvent], step: Step,
        nextEvent: UInt64
    ) {
        self.subscription = subscription
        self.order = order
        self.expression = expression
        self.events = events
        self.step = step
        self.nextEvent = nextEvent
    }
}
