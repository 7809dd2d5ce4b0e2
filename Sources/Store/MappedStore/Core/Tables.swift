internal import LMDB

/// The named databases of the store. Keys are numbers of eight bytes, unless said otherwise.
struct Tables {
    /// Single records by name.
    let meta: Table
    /// Endpoint number: `EndpointRecord`.
    let endpoints: Table
    /// Endpoint id (24 bytes): endpoint number.
    let endpointIDs: Table
    /// Time of use, endpoint number: nothing. Each endpoint once, at its last use or before.
    let endpointUses: Table
    /// `makerKey` of the address that created it, endpoint number: nothing. Entries of endpoints that are gone may be left.
    let endpointMakers: Table
    /// Endpoint number, sequence number: `NotificationRecord`.
    let notifications: BoundedLog
    /// Digest of a queue's name: queue number.
    let queueNames: Table
    /// Queue number: `QueueSettingsRecord`.
    let queues: Table
    /// Queue number: `QueueLogRecord`.
    let queueLogs: Table
    /// Queue number, message id: `MessageRecord`.
    let messages: BoundedLog
    /// Digest of a user's name: `UserRecord`.
    let users: Table
    /// User number, queue number: the right's number.
    let rights: Table
    /// User number and digest of the client's name: `ClientRecord`.
    let clients: Table
    /// Kind of count and digest of whom it counts: when it is over.
    let logins: Table
    /// Destination number: `DestinationRecord`.
    let destinations: Table
    /// Destination number: `DestinationState`.
    let destinationStates: Table
    /// Parcel number: `ParcelRecord`.
    let parcels: Table
    /// Environment and digest of an event's id: parcel number, and how many deliveries it caused.
    let eventIDs: Table
    /// Destination number, time due, delivery number: `DeliveryRecord`.
    let deliveries: Table
    /// Time from which something can be begun, destination number: the owner. Each destination with deliveries once.
    let deliveryHeads: Table
    /// The same of destinations that somebody must agree for.
    let approvalHeads: Table
    /// Kind of head, owner, time, destination number: nothing. The heads again, by their owner.
    let ownerHeads: Table
    /// Kind of head, time of the owner's first head of the kind, owner: nothing.
    let dueOwners: Table
    /// Parcel number, delivery number: destination number. The deliveries that are not over, by what they deliver.
    let holds: Table
    /// Log number: `AttemptRecord`.
    let attempts: Table
    /// Destination number, log number: nothing.
    let attemptIndex: Table
    /// Destination number, log number: the parcel that the line has given up.
    let lostLines: Table
    /// Destination number, parcel number: `LostParcel`.
    let lostParcels: Table
    /// Keyring number: `KeyringRecord`.
    let keyrings: Table
    /// Environment: keyring number, and since when the environment has no webhooks, if it had some (microseconds since 1970).
    let environments: Table
    /// Destination number: `WebhookRecord`.
    let webhooks: Table
    /// Webhook's id: destination number.
    let webhookIDs: Table
    /// Environment, destination number: the events it is subscribed to.
    let environmentWebhooks: Table
    /// Parcel number, log number: nothing.
    let attemptParcels: Table
    /// Destination number: `SubscriptionRecord`.
    let subscriptions: Table
    /// Subscription's id: destination number.
    let subscriptionIDs: Table
    /// Digest of the user's name, destination number: nothing.
    let userSubscriptions: Table
    /// Digest of the user's name: how many subscriptions the user has, unless that is none.
    let subscriptionCounts: Table
    /// Revision: destination number. Each subscription once, at the last change of its expression.
    let expressions: Table
    /// Revision: destination number of a subscription that is gone.
    let goneExpressions: Table
    /// Parcel number: `RoutedEventRecord`.
    let routedEvents: Table
    /// Parcel number: `WaitingRecord`.
    let waitingEvents: Table
    /// Destination number, and, but for the first, the replay's: `ReplayRecord`.
    let replays: Table
    /// Destination number: `MissedEventsRecord`. Subscriptions that missed something: while they were disabled, or as they lagged.
    let missedEvents: Table
    /// Owner, destination number: the first event that a subscription is still to be tried with (`LagOperations`).
    let lags: Table
    /// `Garbage`: nothing.
    let garbage: Table
    /// Milliseconds and 16 bytes of request id: `Outcome`.
    let requests: RecentRequests

    static let schemaKey = Array("schema".utf8)
    static let clockKey = Array("clock".utf8)
    static let captureKey = Array("capture".utf8)
    static let touchKey = Array("touch".utf8)
    static let queuesKey = Array("queues".utf8)
    static let queueRevisionKey = Array("queue-revision".utf8)
    static let metricsKey = Array("delivery-metrics".utf8)
    static let intakeMetricsKey = Array("intake-metrics".utf8)
    static let operationalCallsKey = Array("operational-calls".utf8)
    static let sealKey = Array("seal".utf8)
    static let markKey = Array("mark".utf8)
    static let eventsKey = Array("events".utf8)
    static let operatorsKey = Array("operators".utf8)
    static let deliveryKey = Array("delivery".utf8)
    static let numbersKey = Array("numbers".utf8)
    static let closedKey = Array("closed".utf8)

    /// How many tables there are, and room for a few more.
    static let limit = 56

    init(creating: Bool, in transaction: borrowing Transaction) throws(LMDBError) {
        meta = try Table("meta", creating: creating, in: transaction)
        endpoints = try Table("endpoints", creating: creating, in: transaction)
        endpointIDs = try Table("endpoint-ids", creating: creating, in: transaction)
        endpointUses = try Table("endpoint-uses", creating: creating, in: transaction)
        endpointMakers = try Table("endpoint-makers", creating: creating, in: transaction)
        notifications = BoundedLog(table: try Table("notifications", creating: creating, in: transaction))
        queueNames = try Table("queue-names", creating: creating, in: transaction)
        queues = try Table("queues", creating: creating, in: transaction)
        queueLogs = try Table("queue-logs", creating: creating, in: transaction)
        messages = BoundedLog(table: try Table("messages", creating: creating, in: transaction))
        users = try Table("users", creating: creating, in: transaction)
        rights = try Table("rights", creating: creating, in: transaction)
        clients = try Table("clients", creating: creating, in: transaction)
        logins = try Table("logins", creating: creating, in: transaction)
        destinations = try Table("destinations", creating: creating, in: transaction)
        destinationStates = try Table("destination-states", creating: creating, in: transaction)
        parcels = try Table("parcels", creating: creating, in: transaction)
        eventIDs = try Table("event-ids", creating: creating, in: transaction)
        deliveries = try Table("deliveries", creating: creating, in: transaction)
        deliveryHeads = try Table("delivery-heads", creating: creating, in: transaction)
        approvalHeads = try Table("approval-heads", creating: creating, in: transaction)
        ownerHeads = try Table("owner-heads", creating: creating, in: transaction)
        dueOwners = try Table("due-owners", creating: creating, in: transaction)
        holds = try Table("holds", creating: creating, in: transaction)
        attempts = try Table("attempts", creating: creating, in: transaction)
        attemptIndex = try Table("attempt-index", creating: creating, in: transaction)
        lostLines = try Table("lost-lines", creating: creating, in: transaction)
        lostParcels = try Table("lost-parcels", creating: creating, in: transaction)
        keyrings = try Table("keyrings", creating: creating, in: transaction)
        environments = try Table("environments", creating: creating, in: transaction)
        webhooks = try Table("webhooks", creating: creating, in: transaction)
        webhookIDs = try Table("webhook-ids", creating: creating, in: transaction)
        environmentWebhooks = try Table("environment-webhooks", creating: creating, in: transaction)
        attemptParcels = try Table("attempt-parcels", creating: creating, in: transaction)
        subscriptions = try Table("subscriptions", creating: creating, in: transaction)
        subscriptionIDs = try Table("subscription-ids", creating: creating, in: transaction)
        userSubscriptions = try Table("user-subscriptions", creating: creating, in: transaction)
        subscriptionCounts = try Table("subscription-counts", creating: creating, in: transaction)
        expressions = try Table("expressions", creating: creating, in: transaction)
        goneExpressions = try Table("gone-expressions", creating: creating, in: transaction)
        routedEvents = try Table("routed-events", creating: creating, in: transaction)
        waitingEvents = try Table("waiting-events", creating: creating, in: transaction)
        replays = try Table("replays", creating: creating, in: transaction)
        missedEvents = try Table("missed-events", creating: creating, in: transaction)
        lags = try Table("lags", creating: creating, in: transaction)
        garbage = try Table("garbage", creating: creating, in: transaction)
        requests = RecentRequests(table: try Table("requests", creating: creating, in: transaction))
    }

    /// Refuses a store whose layout this program does not know.
    /// - Parameter meta: the table of that name.
    /// - Returns: the layout's version, or `nil` where the store is new.
    static func schema(of meta: Table, in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        guard let version = try meta.number(at: schemaKey, in: transaction) else {
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
