internal import Capture
internal import LMDB
internal import Storage
internal import Values

/// The named databases of the store.
struct Tables {
    // Records that there is one of each, in the table `meta`.
    let schema: SingleRecord<NumberRecord<RecordName>>
    let clock: SingleRecord<SteadyClock>
    let captureState: SingleRecord<CaptureState>
    let queueState: SingleRecord<QueueState>
    /// Counts the changes of the configuration that is in force.
    let queueRevision: SingleRecord<NumberRecord<RecordName>>
    let deliveryState: SingleRecord<DeliveryState>
    let deliveryMetrics: SingleRecord<DeliveryMetricsRecord>
    let intakeMetrics: SingleRecord<IntakeMetrics>
    let operationalCalls: SingleRecord<OperationalCalls>
    /// The number of the destination that operational events are delivered to.
    let operators: SingleRecord<NumberRecord<RecordName>>
    let eventsState: SingleRecord<EventsState>
    let numbers: SingleRecord<Numbers>
    /// Something sealed under the secret that the secrets of this store are sealed under.
    let seal: SingleRecord<BytesRecord<RecordName>>
    let mark: SingleRecord<NumberRecord<RecordName>>
    /// Whether the store was closed and nothing of it can be undone.
    let closed: SingleRecord<EmptyRecord<RecordName>>
    /// Written so that there is something to commit.
    let touched: SingleRecord<EmptyRecord<RecordName>>

    /// By endpoint number.
    let endpoints: RecordTable<EndpointRecord>
    /// The number of each endpoint.
    let endpointIDs: NumberTable<Endpoint.ID>
    /// Each endpoint once, at its last use or before.
    let endpointUses: KeyTable<TimedNumber>
    /// Entries of endpoints that are gone may be left.
    let endpointMakers: KeyTable<MakerKey>
    /// By endpoint number and sequence number.
    let notifications: BoundedLog<NotificationRecord>
    /// The number of each queue.
    let queueNames: NumberTable<NameDigest>
    /// By queue number.
    let queues: RecordTable<QueueSettingsRecord>
    /// By queue number.
    let queueLogs: RecordTable<QueueLogRecord>
    /// By queue number and message id.
    let messages: BoundedLog<MessageRecord>
    /// By name.
    let users: RecordTable<UserRecord>
    /// By user number and queue number: the number of the right.
    let rights: NumberTable<OwnedNumber>
    /// By user number and name.
    let clients: RecordTable<ClientRecord>
    /// When each count of logins ends.
    let logins: RecordTable<LoginCountRecord>
    /// By destination number.
    let destinations: RecordTable<DestinationRecord>
    /// By destination number.
    let destinationStates: RecordTable<DestinationState>
    /// By parcel number.
    let parcels: RecordTable<ParcelRecord>
    let eventIDs: RecordTable<EventIDRecord>
    /// By destination, the time at which they are due, and their number.
    let deliveries: RecordTable<DeliveryRecord>
    /// The time from which something can be begun, and a destination: its owner. Each destination with deliveries once.
    let deliveryHeads: RecordTable<UUIDRecord<TimedNumber>>
    /// The same of destinations whose attempts somebody must approve.
    let approvalHeads: RecordTable<UUIDRecord<TimedNumber>>
    /// The heads again, by their owner.
    let ownerHeads: KeyTable<OwnerHeadKey>
    /// The time of each owner's first head of a kind.
    let dueOwners: KeyTable<DueOwnerKey>
    /// By parcel number and delivery number: the destination. Deliveries that are not over, by what they deliver.
    let holds: NumberTable<OwnedNumber>
    /// By log number.
    let attempts: RecordTable<AttemptRecord>
    /// Destination number, log number.
    let attemptIndex: KeyTable<OwnedNumber>
    /// Parcel number, log number.
    let attemptParcels: KeyTable<OwnedNumber>
    /// By destination number and log number: the parcel that the line has given up.
    let lostLines: NumberTable<OwnedNumber>
    /// By destination number and parcel number.
    let lostParcels: RecordTable<LostParcel>
    /// By keyring number.
    let keyrings: RecordTable<KeyringRecord>
    let environments: RecordTable<EnvironmentRecord>
    /// By destination number.
    let webhooks: RecordTable<WebhookRecord>
    /// The destination number of each webhook.
    let webhookIDs: NumberTable<UUID>
    /// By environment and destination number.
    let environmentWebhooks: RecordTable<EventTypesRecord>
    /// By destination number.
    let subscriptions: RecordTable<SubscriptionRecord>
    /// The destination number of each subscription.
    let subscriptionIDs: NumberTable<UUID>
    /// User, destination number.
    let userSubscriptions: KeyTable<Owned<NameDigest>>
    /// How many subscriptions each user has; a user without any is not in it.
    let subscriptionCounts: NumberTable<NameDigest>
    /// By revision: the destination number. Each subscription once, at the last change of its expression.
    let expressions: NumberTable<UInt64>
    /// By revision: the destination number of a subscription that is gone.
    let goneExpressions: NumberTable<UInt64>
    /// By parcel number.
    let routedEvents: RecordTable<RoutedEventRecord>
    /// By parcel number.
    let waitingEvents: RecordTable<WaitingRecord>
    let replays: RecordTable<ReplayRecord>
    /// By destination number. Subscriptions that missed something: while they were disabled, or as they lagged.
    let missedEvents: RecordTable<MissedEventsRecord>
    /// By owner and destination number: the first event that a subscription is still to be tried with (`LagOperations`).
    let lags: NumberTable<Owned<UUID>>
    let garbage: KeyTable<Garbage>
    let requests: RecentRequests

    /// How many tables there are, and room for a few more.
    static let limit = 56

    init(creating: Bool, in transaction: borrowing Transaction) throws(LMDBError) {
        let meta = try Table("meta", creating: creating, in: transaction)
        schema = SingleRecord("schema", in: meta)
        clock = SingleRecord("clock", in: meta)
        captureState = SingleRecord("capture", in: meta)
        queueState = SingleRecord("queues", in: meta)
        queueRevision = SingleRecord("queue-revision", in: meta)
        deliveryState = SingleRecord("delivery", in: meta)
        deliveryMetrics = SingleRecord("delivery-metrics", in: meta)
        intakeMetrics = SingleRecord("intake-metrics", in: meta)
        operationalCalls = SingleRecord("operational-calls", in: meta)
        operators = SingleRecord("operators", in: meta)
        eventsState = SingleRecord("events", in: meta)
        numbers = SingleRecord("numbers", in: meta)
        seal = SingleRecord("seal", in: meta)
        mark = SingleRecord("mark", in: meta)
        closed = SingleRecord("closed", in: meta)
        touched = SingleRecord("touch", in: meta)
        endpoints = try RecordTable("endpoints", creating: creating, in: transaction)
        endpointIDs = try RecordTable("endpoint-ids", creating: creating, in: transaction)
        endpointUses = try RecordTable("endpoint-uses", creating: creating, in: transaction)
        endpointMakers = try RecordTable("endpoint-makers", creating: creating, in: transaction)
        notifications = BoundedLog(table: try RecordTable("notifications", creating: creating, in: transaction))
        queueNames = try RecordTable("queue-names", creating: creating, in: transaction)
        queues = try RecordTable("queues", creating: creating, in: transaction)
        queueLogs = try RecordTable("queue-logs", creating: creating, in: transaction)
        messages = BoundedLog(table: try RecordTable("messages", creating: creating, in: transaction))
        users = try RecordTable("users", creating: creating, in: transaction)
        rights = try RecordTable("rights", creating: creating, in: transaction)
        clients = try RecordTable("clients", creating: creating, in: transaction)
        logins = try RecordTable("logins", creating: creating, in: transaction)
        destinations = try RecordTable("destinations", creating: creating, in: transaction)
        destinationStates = try RecordTable("destination-states", creating: creating, in: transaction)
        parcels = try RecordTable("parcels", creating: creating, in: transaction)
        eventIDs = try RecordTable("event-ids", creating: creating, in: transaction)
        deliveries = try RecordTable("deliveries", creating: creating, in: transaction)
        deliveryHeads = try RecordTable("delivery-heads", creating: creating, in: transaction)
        approvalHeads = try RecordTable("approval-heads", creating: creating, in: transaction)
        ownerHeads = try RecordTable("owner-heads", creating: creating, in: transaction)
        dueOwners = try RecordTable("due-owners", creating: creating, in: transaction)
        holds = try RecordTable("holds", creating: creating, in: transaction)
        attempts = try RecordTable("attempts", creating: creating, in: transaction)
        attemptIndex = try RecordTable("attempt-index", creating: creating, in: transaction)
        lostLines = try RecordTable("lost-lines", creating: creating, in: transaction)
        lostParcels = try RecordTable("lost-parcels", creating: creating, in: transaction)
        keyrings = try RecordTable("keyrings", creating: creating, in: transaction)
        environments = try RecordTable("environments", creating: creating, in: transaction)
        webhooks = try RecordTable("webhooks", creating: creating, in: transaction)
        webhookIDs = try RecordTable("webhook-ids", creating: creating, in: transaction)
        environmentWebhooks = try RecordTable("environment-webhooks", creating: creating, in: transaction)
        attemptParcels = try RecordTable("attempt-parcels", creating: creating, in: transaction)
        subscriptions = try RecordTable("subscriptions", creating: creating, in: transaction)
        subscriptionIDs = try RecordTable("subscription-ids", creating: creating, in: transaction)
        userSubscriptions = try RecordTable("user-subscriptions", creating: creating, in: transaction)
        subscriptionCounts = try RecordTable("subscription-counts", creating: creating, in: transaction)
        expressions = try RecordTable("expressions", creating: creating, in: transaction)
        goneExpressions = try RecordTable("gone-expressions", creating: creating, in: transaction)
        routedEvents = try RecordTable("routed-events", creating: creating, in: transaction)
        waitingEvents = try RecordTable("waiting-events", creating: creating, in: transaction)
        replays = try RecordTable("replays", creating: creating, in: transaction)
        missedEvents = try RecordTable("missed-events", creating: creating, in: transaction)
        lags = try RecordTable("lags", creating: creating, in: transaction)
        garbage = try RecordTable("garbage", creating: creating, in: transaction)
        requests = RecentRequests(table: try RecordTable("requests", creating: creating, in: transaction))
    }

    /// Refuses a store whose layout this program does not know.
    /// - Parameter meta: the table of that name.
    /// - Returns: the layout's version, or `nil` where the store is new.
    static func schema(of meta: Table, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        let schema = SingleRecord<NumberRecord>("schema", in: meta)
        guard let version = try schema.value(in: transaction) else {
            guard try meta.count(in: transaction) == 0 else { throw .damaged("the schema's version") }
            return nil
        }
        guard (1...MappedStore.schemaVersion).contains(version) else {
            throw .unknownVersion(
                "schema version \(version), while this program knows none above \(MappedStore.schemaVersion)")
        }
        return version
    }
}
