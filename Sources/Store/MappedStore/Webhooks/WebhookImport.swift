internal import Delivery
internal import HTTP
internal import JSON
internal import LMDB
internal import Storage
internal import Values
internal import Webhooks

/// Imports environments with their keys, webhooks, payloads, deliveries, and the log.
struct WebhookImporter {
    let store: MappedStore
    let moment: Moment
    /// How many deliveries are pending, by destination; written by `finish`.
    private var pending: [UInt64: UInt64] = [:]
    /// Payloads with a pending delivery of the triggers `manual` or `recover`. `finish` records it for lost payloads, once
    /// the log has been imported.
    private var takenUp: [(payload: UInt64, destination: UInt64)] = []

    init(store: MappedStore, moment: Moment) {
        self.store = store
        self.moment = moment
    }

    /// Stores the seal of the exporting store. All imported secrets are sealed with the same secret as this seal, and a
    /// store without webhooks has no other sealed values.
    func seal(_ line: ImportLine) throws(ImportError) {
        guard let sealed = try line.bytes("sealed") else { throw line.fault("\"sealedBase64\" is missing") }
        try line.write { (transaction) throws(LMDBError) in
            try store.tables.seal.put(sealed, in: &transaction)
        }
    }

    func environment(_ line: ImportLine) throws(ImportError) {
        let id = try line.uuid("id")
        var keys: [Keyring.Key] = []
        for json in line.json["keys"]?.array ?? [] {
            let line = ImportLine(number: line.number, json: json, store: store)
            guard let sealed = try line.bytes("sealedPrivateKey") else {
                throw line.fault("a key has no \"sealedPrivateKey\"")
            }
            keys.append(
                Keyring.Key(
                    id: try line.text("id"), algorithm: try line.text("algorithm"),
                    publicKey: try line.text("publicKey"), sealedPrivateKey: sealed,
                    created: try line.time("created"), signsFrom: try line.time("signsFrom")))
        }
        guard !keys.isEmpty else { throw line.fault("the environment has no keys") }
        let isNew = try line.write { [keys] (transaction) throws(LMDBError) in
            guard try store.webhooks.keyringNumber(of: id, in: transaction) == nil else { return false }
            var state = try store.deliveries.deliveryState(in: transaction)
            try store.webhooks.put(Keyring(number: state.nextKeyring, keys: keys), in: &transaction)
            try store.tables.environments.put(
                EnvironmentRecord(keyring: state.nextKeyring), at: id, in: &transaction)
            state.nextKeyring += 1
            try store.deliveries.put(state, in: &transaction)
            return true
        }
        guard isNew else { throw line.fault("duplicate environment") }
    }

    mutating func webhook(_ line: ImportLine, _ counts: inout ImportCounts) throws(ImportError) {
        let (id, environment) = (try line.uuid("id"), try line.uuid("environment"))
        let (name, description) = (try line.text("name"), line.json["description"]?.string)
        let (events, headerNames) = (try line.texts("events"), try line.texts("headerNames"))
        let (created, updated) = (try line.time("created"), try line.time("updated"))
        let form = try destination(line.part("destination"))
        let state = try state(line.part("state"))
        let isNew = try line.write { (transaction) throws(LMDBError) in
            guard try store.webhooks.webhookNumber(id, in: transaction) == nil else { return false }
            var common = try store.deliveries.deliveryState(in: transaction)
            let number = common.nextDestination
            common.nextDestination += 1
            try store.deliveries.put(common, in: &transaction)
            let keyring = try store.webhooks.keyringNumber(of: environment, in: transaction)
            let webhook = Webhook(
                id: id, environment: environment, name: name, description: description, events: events,
                headerNames: headerNames, destination: form.numbered(number, keyring: keyring), created: created,
                updated: updated)
            try store.webhooks.put(webhook, in: &transaction)
            try store.deliveries.put(state, of: number, in: &transaction)
            return true
        }
        guard isNew else { throw line.fault("duplicate webhook") }
        counts.webhooks += 1
    }

    /// Older exports have no `retryPolicy`: there, a named policy is given by its `retries` or `waitSeconds`.
    private func policy(_ line: ImportLine) throws(ImportError) -> RetryChoice {
        switch line.json["retryPolicy"]?.string {
        case "fixed": return .fixed
        case "standard": return .standard
        case "events": return .events
        case nil: break
        default: throw line.fault("\"retryPolicy\" is unknown")
        }
        guard let waits = line.json["waitSeconds"]?.array else {
            _ = try line.count("retries")
            return .fixed
        }
        let policy = RetryPolicy.schedule(waits.compactMap(\.double))
        guard policy.attempts == waits.count + 1 else {
            throw line.fault("\"waitSeconds\" has an entry that is not a number")
        }
        return policy == .standard ? .standard : .own(policy)
    }

    func destination(_ line: ImportLine) throws(ImportError) -> Destination {
        let inFlight = try line.count("inFlight")
        guard inFlight <= 1_000_000 else { throw line.fault("\"inFlight\" is out of range") }
        var destination = Destination(
            number: 0, url: try line.text("url"), method: try line.text("method"),
            contentType: try line.text("contentType"), sealedHeaders: try line.bytes("sealedHeaders"),
            sealedSecret: try line.bytes("sealedSecret"), policy: try policy(line),
            limits: DestinationLimits(
                inFlight: Int(inFlight), rate: line.json["rate"]?.double, isOrdered: try line.bool("ordered")),
            disabledUntil: try line.optionalTime("disabledUntil"),
            disabledReason: line.json["disabledReason"]?.string)
        try line.readEvents(into: &destination)
        return destination
    }

    func state(_ line: ImportLine) throws(ImportError) -> DestinationState {
        var state = DestinationState()
        state.health.delivered = try line.count("delivered")
        state.health.failedAttempts = try line.count("failedAttempts")
        state.health.givenUp = try line.count("givenUp")
        state.health.failuresInRow = try line.count("failuresInRow")
        guard let openSeconds = line.json["openSeconds"]?.double else {
            throw line.fault("\"openSeconds\" is missing or not a number")
        }
        state.health.openSeconds = openSeconds
        state.health.failingSince = try line.optionalTime("failingSince").map(steady)
        state.health.givenUpSince = try line.optionalTime("givenUpSince").map(steady)
        state.health.opensAt = try line.optionalTime("opensAt").map(steady)
        state.gate = try line.optionalTime("gate").map(steady)
        for (name, property) in [
            ("lastTriggered", \DestinationState.lastTriggered), ("lastErrored", \DestinationState.lastErrored),
        ] {
            guard let json = line.json[name] else { continue }
            let line = ImportLine(number: line.number, json: json, store: store)
            // The destination's number is not known yet, and is not used here.
            state[keyPath: property] = try attempt(line, of: 0)
        }
        return state
    }

    private func steady(_ wall: Timestamp) -> Timestamp {
        Timestamp(microseconds: moment.steady.microseconds &- (moment.wall.microseconds &- wall.microseconds))
    }

    func deliveries(_ line: ImportLine) throws(ImportError) {
        let (payload, log) = (try line.count("nextParcel"), try line.count("nextLine"))
        try line.write { (transaction) throws(LMDBError) in
            var state = try store.deliveries.deliveryState(in: transaction)
            (state.nextPayload, state.nextLog) = (payload, log)
            try store.deliveries.put(state, in: &transaction)
        }
    }

    func payload(_ line: ImportLine) throws(ImportError) {
        guard let body = try line.bytes("body") else { throw line.fault("\"body\" is missing") }
        let payload = Payload(
            number: try line.count("number"), eventID: try line.text("eventID"),
            idempotencyKey: line.json["idempotencyKey"]?.string, event: try line.text("event"),
            source: try line.uuid("environment"), body: body, receivedAt: try line.time("receivedAt"))
        let deliveries = line.json["deliveries"] == nil ? nil : try line.count("deliveries")
        let routed = line.json["routed"] == nil ? nil : try RoutedImport(line.part("routed"))
        let isNew = try line.write { (transaction) throws(LMDBError) in
            var state = try store.deliveries.deliveryState(in: transaction)
            guard payload.number < state.nextPayload,
                try !store.tables.payloads.contains(payload.number, in: transaction)
            else { return false }
            let record = Encoded<PayloadRecord>(payload)
            state.bytes += UInt64(record.byteCount)
            try store.deliveries.put(state, in: &transaction)
            try store.tables.payloads.put(record, at: payload.number, in: &transaction)
            try routed?.put(of: payload, in: &transaction)
            guard let deliveries else { return true }
            let entry = EventIDRecord(payload: payload.number, deliveries: deliveries)
            var keys = [EventKey(payload.source, .id, payload.eventID)]
            if let text = payload.idempotencyKey { keys.append(EventKey(payload.source, .idempotencyKey, text)) }
            for key in keys { try store.tables.eventIDs.put(entry, at: key, in: &transaction) }
            return true
        }
        guard isNew else { throw line.fault("duplicate payload, or its number is above the last one assigned") }
    }

    mutating func delivery(_ line: ImportLine, _ counts: inout ImportCounts) throws(ImportError) {
        let (id, payload) = (try line.uuid("id"), try line.count("parcel"))
        let owner = try line.owner()
        guard let trigger = line.trigger, let attempts = UInt32(exactly: try line.count("attempts")) else {
            throw line.fault("\"trigger\" or \"attempts\" is missing or unknown")
        }
        let (due, created) = (steady(try line.time("due")), steady(try line.time("created")))
        let number = try line.write { (transaction) throws(LMDBError) -> UInt64? in
            var state = try store.deliveries.deliveryState(in: transaction)
            guard payload < state.nextPayload, let number = owner else { return nil }
            let delivery = Delivery(
                number: state.nextDelivery, destination: number, payload: payload, id: id, trigger: trigger,
                isRepair: line.json["repair"]?.bool ?? false, attempts: attempts, due: due, created: created)
            state.nextDelivery += 1
            state.pending += 1
            try store.deliveries.put(state, in: &transaction)
            try store.tables.deliveries.put(delivery, at: DeliveryKey(delivery), in: &transaction)
            try store.tables.holds.put(number, at: OwnedNumber(payload, delivery.number), in: &transaction)
            return number
        }
        guard let number else {
            throw line.fault("the webhook, subscription or payload of the delivery does not exist")
        }
        pending[number, default: 0] += 1
        if trigger == .manual || trigger == .recover { takenUp.append((payload, number)) }
        counts.deliveries += 1
    }

    func attempt(_ line: ImportLine) throws(ImportError) {
        guard let destination = try line.owner() else {
            throw line.fault("the webhook or subscription of the attempt does not exist")
        }
        let record = try attempt(line, of: destination)
        let isNew = try line.write { (transaction) throws(LMDBError) in
            var state = try store.deliveries.deliveryState(in: transaction)
            guard record.number < state.nextLog,
                try !store.tables.attempts.contains(record.number, in: transaction)
            else { return false }
            let encoded = Encoded<AttemptRecord>(record)
            state.bytes += UInt64(encoded.byteCount)
            try store.deliveries.put(state, in: &transaction)
            try store.tables.attempts.put(encoded, at: record.number, in: &transaction)
            try store.tables.attemptIndex.put(OwnedNumber(destination, record.number), in: &transaction)
            try store.tables.attemptPayloads.put(OwnedNumber(record.payload, record.number), in: &transaction)
            guard record.isFinal, record.trigger != .test else { return true }
            if record.attempt.failure != nil {
                try store.deliveries.addLost(
                    LostPayload.Line(record), of: record.payload, at: destination, in: &transaction)
            } else {
                try store.deliveries.removeLost(record.payload, at: destination, in: &transaction)
            }
            return true
        }
        guard isNew else { throw line.fault("duplicate attempt, or its number is above the last one assigned") }
    }

    private func attempt(_ line: ImportLine, of destination: UInt64) throws(ImportError) -> AttemptRecord {
        guard let trigger = line.trigger, let count = UInt32(exactly: try line.count("count")) else {
            throw line.fault("\"trigger\" or \"count\" is missing or unknown")
        }
        var attempt = Attempt(
            requestHeaders: try line.headers("requestHeaders"), status: line.json["status"]?.integer,
            responseHeaders: try line.headers("responseHeaders"), responseBody: try line.bytes("responseBody") ?? [],
            isResponseTruncated: try line.bool("responseTruncated"),
            durationMilliseconds: try line.count("durationMilliseconds"), triggeredAt: try line.time("triggeredAt"))
        if let word = line.json["errorKind"]?.string {
            guard let kind = Attempt.ErrorKind.allCases.first(where: { $0.word == word }) else {
                throw line.fault("\"errorKind\" is unknown")
            }
            attempt.failure = Attempt.Failure(kind: kind, text: try line.text("error"))
        }
        if line.json["approval"] != nil {
            let approval = try line.part("approval")
            attempt.approval = Attempt.Approval(
                status: approval.json["status"]?.integer, body: try approval.bytes("body") ?? [])
        }
        return AttemptRecord(
            number: try line.count("number"), destination: destination, payload: try line.count("parcel"),
            eventID: try line.text("eventID"), event: try line.text("event"), count: count, trigger: trigger,
            method: try line.text("method"), url: try line.text("url"), attempt: attempt,
            nextRetryAt: try line.optionalTime("nextRetryAt"), isFinal: try line.bool("final"))
    }

    /// Writes, for each destination, how many deliveries are pending and when the first is due; and which lost payloads have
    /// a pending delivery.
    func finish(_ line: ImportLine) throws(ImportError) {
        guard !pending.isEmpty else { return }
        try line.write { (transaction) throws(LMDBError) in
            for (number, count) in pending {
                guard var state = try store.deliveries.destinationState(number, in: transaction) else { continue }
                state.pending = count
                try store.deliveries.put(state, of: number, in: &transaction)
            }
            var work = try DeliveryWork(store.deliveries, at: moment, in: transaction)
            for entry in takenUp {
                try store.deliveries.takeUpLost(entry.payload, at: entry.destination, in: &transaction)
            }
            for number in pending.keys { _ = try work.destination(number, in: transaction) }
            try work.finish(in: &transaction)
        }
    }
}

extension ImportLine {
    func uuid(_ name: String) throws(ImportError) -> UUID {
        guard let uuid = json[name]?.string.flatMap({ UUID($0) }) else {
            throw fault("\"\(name)\" is missing or not a UUID")
        }
        return uuid
    }

    func optionalTime(_ name: String) throws(ImportError) -> Timestamp? {
        json[name] == nil ? nil : try time(name)
    }

    func texts(_ name: String) throws(ImportError) -> [String] {
        var texts: [String] = []
        for entry in try list(name) {
            guard let text = entry.string else { throw fault("\"\(name)\" has an entry that is not a string") }
            texts.append(text)
        }
        return texts
    }

    var trigger: Trigger? {
        guard let word = json["trigger"]?.string else { return nil }
        return Trigger.allCases.first { $0.word == word }
    }

    func headers(_ name: String) throws(ImportError) -> [HeaderField] {
        var fields: [HeaderField] = []
        for header in try list(name) {
            guard let name = header["name"]?.string, let value = header["value"]?.string else {
                throw fault("a header has no name or no value")
            }
            fields.append(HeaderField(name: name, value: value))
        }
        return fields
    }
}

extension JSON {
    fileprivate var double: Double? {
        guard case .number(let text) = self, let value = Double(text), value.isFinite else { return nil }
        return value
    }
}
