internal import HTTP
package import JSONPath
package import Values

/// The operations that matching needs of a store: read the expressions and the waiting events, and store matches.
package protocol MatchingStore: AnyObject {
    /// Expressions that were added, changed or removed since a revision, oldest change first. Revision 0 is before all, and
    /// returns all current expressions, whatever the limit.
    func expressions(since revision: UInt64, limit: Int) async throws(StoreFailure) -> ExpressionChanges

    /// Waiting events, oldest first, after `skipping` others.
    /// - Parameter excluded: numbers of events that are left out, and not counted in `skipping`.
    func waitingEvents(
        besides excluded: Set<UInt64>, skipping: Int, limit: Int, maximumBytes: Int
    ) async throws(StoreFailure) -> [WaitingEvent]

    /// Stores the matches of events and creates their deliveries. If there are many, it creates some of them; the event then
    /// keeps waiting, and `waitingEvents` returns its matches. Events that no longer wait are left alone: another matcher
    /// was faster.
    /// - Returns: how many of the events were no longer waiting.
    func deliver(_ matches: [EventMatches], at moment: Moment) async throws(StoreFailure) -> Int

    /// A subscription with a pending replay, and the next events of it.
    /// - Parameter subscription: the subscription that was returned last; the next of the others is returned.
    func waitingReplay(after subscription: UInt64?, limit: Int, maximumBytes: Int) async throws(StoreFailure)
        -> WaitingReplay?

    /// Creates deliveries for the matches among a replay's events, and moves the replay past the last of them. Has no effect
    /// if another matcher has moved it.
    func deliver(_ matched: [UInt64], of replay: WaitingReplay, at moment: Moment) async throws(StoreFailure)

    /// The numbers of the lagging subscriptions (`WaitingLag`).
    func laggingSubscriptions() async throws(StoreFailure) -> Set<UInt64>

    /// A lagging subscription, and the next events to try with it; others have been matched with these already.
    /// - Parameters:
    ///   - owner: the owner that was returned last; the next of the others is returned.
    ///   - last: by owner, the subscription that was returned last.
    func waitingLag(
        after owner: UUID?, _ last: [UUID: UInt64], limit: Int, maximumBytes: Int
    ) async throws(StoreFailure) -> WaitingLag?

    /// Creates deliveries for the matches among a lag's events, and moves the subscription past the last of them. Has no
    /// effect if another matcher has moved it.
    /// - Returns: false if the subscription no longer lags.
    func deliver(_ matched: [UInt64], of lag: WaitingLag, at moment: Moment) async throws(StoreFailure) -> Bool

    /// Records on a subscription that its expression took too long for an event.
    func reportExpression(of subscription: UInt64, _ text: String) async throws(StoreFailure)
}

package struct ExpressionChanges: Equatable, Sendable {
    package struct Change: Equatable, Sendable {
        /// The number of the subscription's destination.
        package let number: UInt64
        /// `nil`: the subscription was removed.
        package let expression: Expression?
        /// The owner whose matching time the expression uses.
        package let owner: UUID?

        package init(number: UInt64, expression: Expression?, owner: UUID? = nil) {
            self.number = number
            self.owner = owner
            self.expression = expression
        }
    }

    package let changes: [Change]
    /// The revision of the last change, from which to continue.
    package let revision: UInt64
    /// Whether there are later changes.
    package let hasMore: Bool
    /// Whether some changes since the requested revision are no longer stored, so that all must be read again, from 0.
    package let isIncomplete: Bool

    package init(changes: [Change], revision: UInt64, hasMore: Bool = false, isIncomplete: Bool = false) {
        self.changes = changes
        self.hasMore = hasMore
        self.revision = revision
        self.isIncomplete = isIncomplete
    }
}

/// The expression of a subscription.
package struct Expression: Hashable, Sendable {
    package let text: String
    package let dialect: JSONPath.Dialect?

    package init(text: String, dialect: JSONPath.Dialect?) {
        self.text = text
        self.dialect = dialect
    }

    // Compared by their bytes: texts that look the same may name different members.
    package static func == (left: Expression, right: Expression) -> Bool {
        left.dialect == right.dialect && left.text.utf8.elementsEqual(right.text.utf8)
    }
}

package struct WaitingEvent: Equatable, Sendable {
    package let number: UInt64
    package let body: [UInt8]
    /// The matches, if they are known already and only deliveries are still to be created.
    package let matched: [UInt64]?

    package init(number: UInt64, body: [UInt8], matched: [UInt64]? = nil) {
        self.number = number
        self.body = body
        self.matched = matched
    }
}

/// The matches of an event: the numbers of subscriptions, in ascending order.
package struct EventMatches: Equatable, Sendable {
    package let event: UInt64
    package let subscriptions: [UInt64]
    /// Subscriptions that were not tried with the event yet, as their owners had no time left; they now lag.
    package let deferred: [UInt64]

    package init(event: UInt64, subscriptions: [UInt64], deferred: [UInt64] = []) {
        self.event = event
        self.deferred = deferred
        self.subscriptions = subscriptions
    }
}

/// A lagging subscription, and the events to try with it next. It lags because its owner's expressions take much time.
package struct WaitingLag: Equatable, Sendable {
    package let owner: UUID
    package let subscription: UInt64
    /// `nil` if it cannot be read.
    package let expression: Expression?
    /// The event number from which it continues.
    package let from: UInt64
    /// Oldest first.
    package var events: [WaitingEvent] = []
    /// Events that were passed over, because they are still to be matched with the other subscriptions.
    package var passed: [UInt64] = []
    /// The event number from which to continue after this.
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
    /// The position among the subscription's replays, which run one after the other.
    package let order: UInt64
    package let expression: Expression
    /// The next events, oldest first; empty at the end of the replay.
    package let events: [WaitingEvent]
    /// Where the replay continues and ends, and whether it includes events that were delivered already.
    package let step: Step
    /// The event number from which to continue after this.
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
