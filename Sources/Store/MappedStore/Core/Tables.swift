internal import Capture
internal import LMDB
internal import Storage
internal import Values

/// The named databases of the store.
struct Tables {
    // Records that exist once, in the table `meta`.
    let schema: SingleRecord<NumberRecord<RecordName>>
    let clock: SingleRecord<SteadyClock>
    let captureState: SingleRecord<CaptureState>
    let queueState: SingleRecord<QueueState>
    /// The number of changes of the configuration in force.
    let queueRevision: SingleRecord<NumberRecord<RecordName>>
    let deliveryState: SingleRecord<DeliveryState>
    let deliveryMetrics: SingleRecord<DeliveryMetricsRecord>
    let intakeMetrics: SingleRecord<IntakeMetrics>
    let operationalCalls: SingleRecord<OperationalCalls>
    /// The number of the destination that receives operational events.
    let operators: SingleRecord<NumberRecord<RecordName>>
    let eventsState: SingleRecord<EventsState>
    let numbers: SingleRecord<Numbers>
    let forwardMetrics: SingleRecord<ForwardMetricsRecord>
    /// A value sealed with the same secret as the secrets in this store, to recognise that secret.
    let seal: SingleRecord<BytesRecord<RecordName>>
    let mark: SingleRecord<NumberRecord<RecordName>>
    /// Present if the store was closed and no crash can undo any of it.
    let closed: SingleRecord<EmptyRecord<RecordName>>
    /// A dummy key, written so that there is something to commit.
    let touched: SingleRecord<EmptyRecord<RecordName>>

    /// By endpoint number, in the table of `notifications`.
    let endpoints: HeadTable<EndpointRecord>
    /// By endpoint number and the number of the refusal.
    let refusals: BoundedLog<RefusalRecord>
    /// By endpoint number.
    let receivers: RecordTable<ReceiverRecord>
    /// By endpoint number, what a sender delivers, and sequence number: the notifications that are attempts of it.
    let notificationDeliveries: KeyTable<DeliveryAttemptKey>
    /// By endpoint number and id.
    let confirmations: RecordTable<ConfirmationRecord>
    /// By the time of the next call. Each confirmation that is pending has one entry.
    let dueConfirmations: KeyTable<DueConfirmation>
    /// By endpoint number, in front of the endpoint's forwards.
    let forwardings: HeadTable<ForwardingRecord>
    /// By endpoint number and the number of the first of the forwards that send it: notifications as `notifications` has them.
    let forwardContents: BoundedLog<NotificationRecord>
    /// By lane, the time of the next attempt, and the number of the forward. Each forward that is pending has one entry.
    let pendingForwards: KeyTable<PendingForwardKey>
    /// By the time of the next attempt, and lane. Each lane with pending forwards has one entry.
    let forwardHeads: KeyTable<ForwardHead>
    /// By endpoint id: the endpoint's number.
    let endpointIDs: NumberTable<Endpoint.ID>
    /// By time of use and endpoint number. Each endpoint has one entry, at its last use or an earlier time.
    let endpointUses: KeyTable<TimedNumber>
    /// By the creator's network and endpoint number. Entries of deleted endpoints may be left.
    let endpointMakers: KeyTable<MakerKey>
    /// By digest of the name: the queue's number.
    let queueNames: NumberTable<NameDigest>
    /// By queue number.
    let queues: RecordTable<QueueSettingsRecord>
    /// By queue number.
    let queueLogs: RecordTable<QueueLogRecord>
    /// By queue number and message id.
    let messages: BoundedLog<MessageRecord>
    /// By digest of the name.
    let users: RecordTable<UserRecord>
    /// By user number and queue number: the number of the right.
    let rights: NumberTable<OwnedNumber>
    /// By user number and digest of the client's name.
    let clients: RecordTable<ClientRecord>
    /// By kind of count and its subject: the time at which the count of logins ends.
    let logins: RecordTable<LoginCountRecord>
    /// By destination number.
    let destinations: RecordTable<DestinationRecord>
    /// By destination number.
    let destinationStates: RecordTable<DestinationState>
    /// By payload number.
    let payloads: RecordTable<PayloadRecord>
    let eventIDs: RecordTable<EventIDRecord>
    /// By destination number, next due time and delivery number.
    let deliveries: RecordTable<DeliveryRecord>
    /// By due time and destination number: the destination's owner. Each destination with deliveries has one entry, at the
    /// time from which its next attempt may begin.
    let deliveryHeads: RecordTable<UUIDRecord<TimedNumber>>
    /// The same for destinations whose attempts need approval.
    let approvalHeads: RecordTable<UUIDRecord<TimedNumber>>
    /// The entries of both tables again, by their owner.
    let ownerHeads: KeyTable<OwnerHeadKey>
    /// By kind, time and owner: the time of the owner's first entry of that kind.
    let dueOwners: KeyTable<DueOwnerKey>
    /// By payload number and delivery number: the destination. Each pending delivery has one entry.
    let holds: NumberTable<OwnedNumber>
    /// By log number.
    let attempts: RecordTable<AttemptRecord>
    /// By destination number and log number.
    let attemptIndex: KeyTable<OwnedNumber>
    /// By payload number and log number.
    let attemptPayloads: KeyTable<OwnedNumber>
    /// By destination number and log number: the payload that this log entry gave up.
    let lostLines: NumberTable<OwnedNumber>
    /// By destination number and payload number. Payloads that were given up for the destination and not delivered since.
    let lostPayloads: RecordTable<LostPayload>
    /// By keyring number.
    let keyrings: RecordTable<KeyringRecord>
    let environments: RecordTable<EnvironmentRecord>
    /// By destination number.
    let webhooks: RecordTable<WebhookRecord>
    /// By webhook id: its destination number.
    let webhookIDs: NumberTable<UUID>
    /// By environment and destination number.
    let environmentWebhooks: RecordTable<EventTypesRecord>
    /// By destination number.
    let subscriptions: RecordTable<SubscriptionRecord>
    /// By subscription id: its destination number.
    let subscriptionIDs: NumberTable<UUID>
    /// By digest of the user and destination number.
    let userSubscriptions: KeyTable<Owned<NameDigest>>
    /// By digest of the user: the number of subscriptions. Users without subscriptions have no entry.
    let subscriptionCounts: NumberTable<NameDigest>
    /// By revision: the destination number. Each subscription has one entry, at the last change of its expression.
    let expressions: NumberTable<UInt64>
    /// By revision: the destination number of a deleted subscription.
    let goneExpressions: NumberTable<UInt64>
    /// By payload number.
    let routedEvents: RecordTable<RoutedEventRecord>
    /// By payload number.
    let waitingEvents: RecordTable<WaitingRecord>
    let replays: RecordTable<ReplayRecord>
    /// By destination number. Subscriptions that missed events while they were disabled or because they lagged.
    let missedEvents: RecordTable<MissedEventsRecord>
    /// By owner and destination number: the first event that a lagging subscription has not been tried with
    /// (`LagOperations`).
    let lags: NumberTable<Owned<UUID>>
    let garbage: KeyTable<Garbage>
    let requests: RecentRequests

    /// By endpoint number and sequence number.
    var notifications: NotificationLog {
        NotificationLog(
            log: BoundedLog(table: RecordTable(endpoints.name, endpoints.bytes)), index: notificationDeliveries)
    }

    /// The forwards of endpoints.
    var forwards: ForwardLog {
        ForwardLog(
            forwardings: forwardings, contents: forwardContents, pending: pendingForwards, heads: forwardHeads)
    }

    /// How many tables there are, and room for a few more.
    static let limit = 64

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
        forwardMetrics = SingleRecord("forward-metrics", in: meta)
        seal = SingleRecord("seal", in: meta)
        mark = SingleRecord("mark", in: meta)
        closed = SingleRecord("closed", in: meta)
        touched = SingleRecord("touch", in: meta)
        endpoints = HeadTable(
            "notifications", try Table("notifications", creating: creating, in: transaction))
        refusals = BoundedLog(table: try RecordTable("refusals", creating: creating, in: transaction))
        receivers = try RecordTable("receivers", creating: creating, in: transaction)
        notificationDeliveries = try RecordTable("notification-deliveries", creating: creating, in: transaction)
        confirmations = try RecordTable("confirmations", creating: creating, in: transaction)
        dueConfirmations = try RecordTable("due-confirmations", creating: creating, in: transaction)
        forwardings = HeadTable("forwards", try Table("forwards", creating: creating, in: transaction))
        forwardContents = BoundedLog(table: try RecordTable("forward-contents", creating: creating, in: transaction))
        pendingForwards = try RecordTable("pending-forwards", creating: creating, in: transaction)
        forwardHeads = try RecordTable("forward-heads", creating: creating, in: transaction)
        endpointIDs = try RecordTable("endpoint-ids", creating: creating, in: transaction)
        endpointUses = try RecordTable("endpoint-uses", creating: creating, in: transaction)
        endpointMakers = try RecordTable("endpoint-makers", creating: creating, in: transaction)
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
        // The tables of payloads are named after an older word: a stored name stays.
        payloads = try RecordTable("parcels", creating: creating, in: transaction)
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
        lostPayloads = try RecordTable("lost-parcels", creating: creating, in: transaction)
        keyrings = try RecordTable("keyrings", creating: creating, in: transaction)
        environments = try RecordTable("environments", creating: creating, in: transaction)
        webhooks = try RecordTable("webhooks", creating: creating, in: transaction)
        webhookIDs = try RecordTable("webhook-ids", creating: creating, in: transaction)
        environmentWebhooks = try RecordTable("environment-webhooks", creating: creating, in: transaction)
        attemptPayloads = try RecordTable("attempt-parcels", creating: creating, in: transaction)
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
    /// - Returns: the layout's version, or `nil` if the store is new.
    static func schema(of meta: Table, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        let schema = SingleRecord<NumberRecord>("schema", in: meta)
        guard let version = try schema.value(in: transaction) else {
            guard try meta.count(in: transaction) == 0 else { throw .damaged("the schema's version") }
            return nil
        }
        guard (1...MappedStore.schemaVersion).contains(version) else {
            throw .unknownVersion(
                "schema version \(version), which is newer than version \(MappedStore.schemaVersion) of this program")
        }
        return version
    }
}
