internal import HTTP
package import Values

/// What the delivery engine needs of a store. Each operation is whole: it happens or it does not, also when the process dies
/// in it. It takes effect for others, and lasts, once the engine's own `commit` has returned.
package protocol DeliveryStore: AnyObject {
    /// Ends attempts, and begins others: those that are due, oldest first, of as many owners and destinations as there are
    /// (`AttemptRoom`).
    ///
    /// A delivery whose attempt has begun belongs to `owner` until its lease is over; then any other worker may take it, but
    /// `owner` only once it no longer holds the attempt (`AttemptRoom.held`): until then its lease is renewed. A success
    /// ends the delivery however late it comes, whoever has it by then; a late failure changes nothing but the log.
    /// - Parameters:
    ///   - room: for how many attempts there is room. Here and in `inFlight` one with a large body counts for several
    ///     (`Parcel.slots`), and where it counts for more than may be, it is begun while its destination has no other.
    ///   - policies: by which attempts that failed are made again.
    ///   - leaseSeconds: of a lease, for each request that an attempt may make (`Destination.requests`).
    ///   - inFlight: by destination, how many attempts of this owner are being made once those of `results` are over.
    func step(
        _ results: [DeliveryResult], beginning room: AttemptRoom, inFlight: [UInt64: Int], owner: UInt64,
        leaseSeconds: Double, policies: RetryPolicies, at moment: Moment
    ) async throws(StoreFailure) -> DeliveryStep

    /// Has all that was begun be due at once, for a worker that knows that no other one lives.
    /// - Parameter leaseSeconds: of a lease, for each request that an attempt may make.
    /// - Returns: how many deliveries those were.
    @discardableResult
    func endLeases(longest leaseSeconds: Double, at moment: Moment) async throws(StoreFailure) -> Int
}

/// An attempt that is over.
package struct DeliveryResult: Equatable, Sendable {
    /// As it was when the attempt began.
    package let delivery: Delivery
    package let attempt: Attempt
    package let wish: ReceiverWish
    /// From 0 to 1.
    package let jitter: Double
    /// Whether the attempt needed no connection of its own.
    package let isReusedConnection: Bool
    /// What the receiver has agreed to in this attempt; `nil` where it was not asked, or has not.
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
    /// The same without what only the log tells.
    package var brief: DeliveryResult {
        var brief = attempt
        brief.isResponseTruncated = attempt.isResponseTruncated || !attempt.responseBody.isEmpty
        (brief.requestHeaders, brief.responseHeaders, brief.responseBody) = ([], [], [])
        return DeliveryResult(
            delivery: delivery, attempt: brief, wish: wish, jitter: jitter, isReusedConnection: isReusedConnection,
            consent: consent)
    }
}

/// What came of a step.
package struct DeliveryStep: Equatable, Sendable {
    package struct Start: Equatable, Sendable {
        package let delivery: Delivery
        package let destination: Destination
        /// Whose slots it takes.
        package let owner: UUID
        /// `nil` where it is no longer kept.
        package let parcel: Parcel?
        package let keys: Keys

        /// For how many attempts at a time it counts.
        package var slots: Int { Parcel.slots(bytes: parcel?.body.count ?? 0) }

        package init(
            delivery: Delivery, destination: Destination, owner: UUID, parcel: Parcel?, keys: Keys = .none
        ) {
            self.delivery = delivery
            self.owner = owner
            self.destination = destination
            self.parcel = parcel
            self.keys = keys
        }
    }

    /// What signs a call beside the destination's own secret.
    package enum Keys: Equatable, Sendable {
        case none
        case keyring(Keyring)
        /// They cannot be read, or are gone.
        case damaged
    }

    package var starts: [Start]
    /// How many of the results were written, from the first on; the others are to be given again.
    package var concluded: Int
    /// When something will be due that is not begun yet, on the steady clock; `nil` where nothing waits for its time alone.
    package var nextDue: Timestamp?
    /// What operators are to hear of.
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

/// What came of delivering once more what a line of a log is about.
package enum Redelivery: Equatable, Sendable {
    /// The id of the delivery.
    case started(UUID)
    case unknownDestination
    case unknownLine
    /// What was sent is no longer kept.
    case gone
}
