internal import Delivery
internal import Events
internal import HTTP
internal import JSON
internal import JSONPath
internal import LMDB
internal import Storage
internal import Values

/// Imports subscriptions and pending replays.
extension WebhookImporter {
    func subscription(_ line: ImportLine, _ counts: inout ImportCounts) throws(ImportError) {
        var dialect: JSONPath.Dialect?
        if let word = line.json["dialect"]?.string {
            dialect = JSONPath.Dialect(rawValue: word)
            guard dialect != nil else { throw line.fault("\"dialect\" is unknown") }
        }
        let form = try destination(line.part("destination"))
        guard let shape = Subscription.shape(of: form) else { throw line.fault("\"shape\" is missing or unknown") }
        let state = try state(line.part("state"))
        var subscription = Subscription(
            id: try line.uuid("id"), user: try line.text("user"), name: try line.text("name"),
            expression: try line.text("jsonpath"), dialect: dialect, version: try line.text("version"),
            extensions: shape.extensions, sealedAuth: try line.bytes("sealedAuth"),
            sealedTarget: try line.bytes("sealedTarget"), target: try line.text("target"), format: shape.format,
            destination: form, created: try line.time("created"), updated: try line.time("updated"))
        if line.json["missed"] != nil {
            let part = try line.part("missed")
            subscription.missed = MissedEvents(count: try part.count("count"), since: try part.time("since"))
        }
        let isNew = try line.write { (transaction) throws(LMDBError) in
            guard try store.events.subscriptionNumber(subscription.id, in: transaction) == nil else { return false }
            var common = try store.deliveries.deliveryState(in: transaction)
            let number = common.nextDestination
            common.nextDestination += 1
            try store.deliveries.put(common, in: &transaction)
            subscription.destination = form.numbered(number, keyring: nil)
            try store.events.add(subscription, state, in: &transaction)
            if let missed = subscription.missed { try store.events.put(missed, of: number, in: &transaction) }
            return true
        }
        guard isNew else { throw line.fault("duplicate subscription") }
        counts.subscriptions += 1
    }

    func replay(_ line: ImportLine) throws(ImportError) {
        guard let number = try line.owner() else { throw line.fault("the subscription of the replay does not exist") }
        let record = ReplayRecord(
            next: try line.count("next"), last: try line.count("last"), all: try line.bool("all"))
        guard record.isPossible else { throw line.fault("\"next\" or \"last\" is out of range") }
        let isAdded = try line.write { (transaction) throws(LMDBError) in
            try store.events.addReplay(record, of: number, limit: ReplayRequest.limit + 1, in: &transaction)
        }
        guard isAdded else { throw line.fault("the subscription has too many replays") }
    }
}

/// The part of an exported event that only routed events have: its matches, and whether it waits.
struct RoutedImport {
    private let store: MappedStore
    private let record: RoutedEventRecord
    private let waiting: WaitingRecord?

    init(_ line: ImportLine) throws(ImportError) {
        store = line.store
        var matched: [UInt64]?
        if let ids = line.json["matched"]?.array {
            var numbers: [UInt64] = []
            for text in ids {
                guard let id = text.string.flatMap({ UUID($0) }),
                    let number = try line.write({ (transaction) throws(LMDBError) in
                        try line.store.events.subscriptionNumber(id, in: transaction)
                    })
                else { throw line.fault("the event matched a subscription that does not exist") }
                numbers.append(number)
            }
            matched = numbers.sorted()
        }
        let isTakenOver = line.json["takenOver"] == nil ? false : try line.bool("takenOver")
        record = RoutedEventRecord(matched: matched, isTakenOver: isTakenOver)
        guard line.json["waiting"] != nil else {
            waiting = nil
            return
        }
        let part = try line.part("waiting")
        guard let trigger = part.trigger else { throw line.fault("\"trigger\" is missing or unknown") }
        var found = WaitingRecord(trigger: trigger)
        found.dispatched = try part.count("dispatched")
        waiting = found
    }

    func put(of payload: Payload, in transaction: inout Transaction) throws(LMDBError) {
        let entry = EventIDRecord(payload: payload.number)
        try store.tables.routedEvents.put(record, at: payload.number, in: &transaction)
        try store.tables.eventIDs.put(entry, at: EventKey(routed: payload.eventID), in: &transaction)
        if let identity = payload.idempotencyKey {
            try store.tables.eventIDs.put(entry, at: EventKey(routedIdentity: identity), in: &transaction)
        }
        if let waiting { try store.tables.waitingEvents.put(waiting, at: payload.number, in: &transaction) }
    }
}

extension ImportLine {
    /// The object under a name.
    func part(_ name: String) throws(ImportError) -> ImportLine {
        guard let json = json[name] else { throw fault("\"\(name)\" is missing") }
        return ImportLine(number: number, json: json, store: store)
    }

    /// The number of the webhook or subscription that the line names; `nil` if it does not exist.
    func owner() throws(ImportError) -> UInt64? {
        let isSubscription = json["subscription"] != nil
        let id = try uuid(isSubscription ? "subscription" : "webhook")
        return try write { (transaction) throws(LMDBError) in
            isSubscription
                ? try store.events.subscriptionNumber(id, in: transaction)
                : try store.webhooks.webhookNumber(id, in: transaction)
        }
    }

    /// Reads the properties of a destination that webhooks do not use.
    func readEvents(into destination: inout Destination) throws(ImportError) {
        destination.disabledAt = try optionalTime("disabledAt")
        switch json["protocol"]?.string {
        case nil: break
        case "event": destination.protocolKind = .event
        default: throw fault("\"protocol\" is unknown")
        }
        destination.approvalPath = json["approvalPath"]?.string
        if json["consent"] != nil {
            let consent = try part("consent")
            destination.consent = Consent(url: consent.json["url"]?.string, rate: consent.json["rate"]?.integer)
        }
        destination.shape = try bytes("shape")
    }
}
