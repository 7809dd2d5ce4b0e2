internal import HTTP
package import Values

/// The operations that the delivery engine needs of a store. Each operation is atomic, even if the process dies in the
/// middle. Its effect is visible to others, and lasts, once the engine's own `commit` has returned.
package protocol DeliveryStore: AnyObject {
    /// Writes the results of attempts, and begins others that are due: oldest first, spread over as many owners and
    /// destinations as possible (`AttemptRoom`).
    ///
    /// A delivery whose attempt has begun belongs to `owner` until its lease ends. The lease ends in one of these ways:
    /// - The owner's result is written: the delivery is over, or due again without an owner.
    /// - Its time is over: any other worker may take the delivery. `owner` itself may take it only once it no longer holds
    ///   the attempt (`AttemptRoom.held`); until then its lease is renewed, unless the destination is disabled.
    /// - A worker that is alone ends all leases (`endLeases`).
    /// - The destination is disabled and the time is over: the delivery is removed and logged as not made, unless it was
    ///   asked for by hand.
    /// - The destination is deleted: its deliveries are removed.
    ///
    /// A success ends the delivery however late it comes, even if another worker owns it by then; a late failure only adds a
    /// log entry.
    /// - Parameters:
    ///   - room: how many attempts may begin. Here and in `inFlight` an attempt with a large body counts as several slots
    ///     (`Payload.slots`); if that is more than the limit, it begins while its destination has no other attempt.
    ///   - policies: the policies by which failed attempts are retried.
    ///   - leaseSeconds: the length of a lease for each request that an attempt may make (`Destination.requests`).
    ///   - inFlight: by destination, how many of this owner's attempts are still in flight after those of `results`.
    func step(
        _ results: [DeliveryResult], beginning room: AttemptRoom, inFlight: [UInt64: Int], owner: UInt64,
        leaseSeconds: Double, policies: RetryPolicies, at moment: Moment
    ) async throws(StoreFailure) -> DeliveryStep

    /// Makes all deliveries in flight due at once. For a worker that knows that no other worker is alive.
    /// - Parameter leaseSeconds: the length of a lease for each request that an attempt may make.
    /// - Returns: the number of those deliveries.
    @discardableResult
    func endLeases(longest leaseSeconds: Double, at moment: Moment) async throws(StoreFailure) -> Int
}

/// The result of an attempt that has ended.
package struct DeliveryResult: Equatable, Sendable {
    /// The delivery as it was when the attempt began.
    package let delivery: Delivery
    package let attempt: Attempt
    package let wish: ReceiverWish
    /// From 0 to 1.
    package let jitter: Double
    /// Whether the attempt reused a connection.
    package let isReusedConnection: Bool
    /// The consent that the receiver gave in this attempt; `nil` if it was not asked, or did not consent.
    package let consent: Consent?

    package init(
        delivery: Delivery, attempt: Attempt, wish: ReceiverWish, jitter: Double, isReusedConnection: Bool = false,
        consent: Consent? = nil
    ) {
        self.delivery = delivery
        self.attempt = attempt
        self.wish = wish
        self.jitter = jitter
        self.isReusedConnection = isReusedConnection
        self.consent = consent
    }
}

extension DeliveryResult {
    /// The same result without the parts that only the log shows.
    package var brief: DeliveryResult {
        var brief = attempt
        brief.isResponseTruncated = attempt.isResponseTruncated || !attempt.responseBody.isEmpty
        (brief.requestHeaders, brief.responseHeaders, brief.responseBody) = ([], [], [])
        return DeliveryResult(
            delivery: delivery, attempt: brief, wish: wish, jitter: jitter, isReusedConnection: isReusedConnection,
            consent: consent)
    }
}

/// The outcome of a step.
package struct DeliveryStep: Equatable, Sendable {
    package struct Start: Equatable, Sendable {
        package let delivery: Delivery
        package let destination: Destination
        /// The owner whose slots the attempt takes.
        package let owner: UUID
        /// `nil` if the payload is no longer stored.
        package let payload: Payload?
        package let keys: Keys

        /// The number of slots that the attempt takes.
        package var slots: Int { Payload.slots(bytes: payload?.body.count ?? 0) }

        package init(
            delivery: Delivery, destination: Destination, owner: UUID, payload: Payload?, keys: Keys = .none
        ) {
            self.delivery = delivery
            self.owner = owner
            self.destination = destination
            self.payload = payload
            self.keys = keys
        }
    }

    /// The keys that sign a call in addition to the destination's own secret.
    package enum Keys: Equatable, Sendable {
        case none
        case keyring(Keyring)
        /// The keys cannot be read, or are gone.
        case damaged
    }

    package var starts: [Start]
    /// How many of the results were written, from the first on; the caller must pass the others again.
    package var concluded: Int
    /// When the next delivery that has not begun is due, on the steady clock; `nil` if none waits only for its due time.
    package var nextDue: Timestamp?
    /// Events to report to operators.
    package var events: [OperationalEvent]

    package init(
        starts: [Start] = [], concluded: Int = 0, nextDue: Timestamp? = nil, events: [OperationalEvent] = []
    ) {
        self.starts = starts
        self.concluded = concluded
        self.nextDue = nextDue
        self.events = events
    }
}

/// The outcome of a request to deliver once more what a log entry is about.
package enum Redelivery: Equatable, Sendable {
    /// The id of the delivery.
    case started(UUID)
    case unknownDestination
    case unknownLine
    /// The payload is no longer stored.
    case gone
}
