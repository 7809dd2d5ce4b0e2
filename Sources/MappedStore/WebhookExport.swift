internal import ContentDecoding
internal import Delivery
internal import Gateway
internal import JSON
internal import LMDB
internal import Webhooks

extension MappedStore {
    /// Writes what secrets are sealed under, environments with their keys, webhooks, subscriptions, parcels, deliveries, the
    /// log, and replays. What is sealed stays so, and opens in a store with the same secret alone.
    func exportWebhooks(
        at moment: Moment, in transaction: borrowing Transaction, _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        // Whoever has webhooks has an environment with keys; without any, and without subscriptions, nothing is sealed, and any
        // secret will do.
        if try tables.environments.count(in: transaction) + tables.subscriptions.count(in: transaction) > 0,
            let seal = try tables.meta.value(at: Tables.sealKey, in: transaction, { copy($0) })
        {
            line("seal") { json in json.member("sealed", base64: seal) }
        }
        try exportEnvironments(in: transaction, line)
        let webhooks = try exportWebhookRecords(at: moment, in: transaction, line)
        let subscriptions = try exportSubscriptions(at: moment, in: transaction, line)
        let owners = webhooks.mapValues { ("webhook", $0) }
            .merging(subscriptions.mapValues { ("subscription", $0) }) { first, _ in first }
        let state = try deliveryState(in: transaction)
        guard state != DeliveryState() else { return }
        line("deliveries") { json in
            json.member("nextParcel", state.nextParcel)
            json.member("nextLine", state.nextLog)
        }
        try exportParcels(subscriptions, in: transaction, line)
        for (number, owner) in owners.sorted(by: { $0.key < $1.key }) {
            try scanDeliveries(of: number, in: transaction) { delivery in
                line("delivery") { json in
                    json.member(owner.0, owner.1.description)
                    json.delivery(delivery, at: moment)
                }
                return true
            }
        }
        var isDamaged = false
        try tables.attempts.scan(in: transaction) { _, value in
            guard let record = AttemptRecord(value) else {
                isDamaged = true
                return false
            }
            guard let owner = owners[record.destination] else { return true }
            line("attempt") { json in
                json.member(owner.0, owner.1.description)
                json.attempt(record)
            }
            return true
        }
        if isDamaged { throw .damaged("a log's line") }
        try exportReplays(subscriptions, in: transaction, line)
    }

    private func exportEnvironments(
        in transaction: borrowing Transaction, _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        var environments: [(id: UUID, keyring: UInt64)] = []
        try tables.environments.scan(in: transaction) { key, value in
            var (place, record) = (ByteReader(key), ByteReader(value))
            guard let id = place.uuid(), let number = record.fixed() else { return false }
            environments.append((id, number))
            return true
        }
        for (id, number) in environments.sorted(by: { $0.keyring < $1.keyring }) {
            guard let keyring = try keyring(number, in: transaction) else { throw .damaged("a keyring") }
            line("environment") { json in
                json.member("id", id.description)
                json.member("keys", arrayOf: keyring.keys) { json, key in
                    json.object { json in
                        json.member("id", key.id)
                        json.member("algorithm", key.algorithm)
                        json.member("publicKey", key.publicKey)
                        json.member("sealedPrivateKey", base64: key.sealedPrivateKey)
                        json.member("created", key.created)
                        json.member("signsFrom", key.signsFrom)
                    }
                }
            }
        }
    }

    /// - Returns: by number, the webhooks' ids.
    private func exportWebhookRecords(
        at moment: Moment, in transaction: borrowing Transaction, _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) -> [UInt64: UUID] {
        var numbers: [UInt64] = []
        try tables.webhooks.scan(in: transaction) { key, _ in
            var reader = ByteReader(key)
            if let number = reader.fixed() { numbers.append(number) }
            return true
        }
        var ids: [UInt64: UUID] = [:]
        for number in numbers {
            guard let webhook = try webhook(number: number, in: transaction),
                let state = try destinationState(number, in: transaction)
            else { throw .damaged("a webhook") }
            ids[number] = webhook.id
            line("webhook") { json in
                json.webhook(webhook)
                json.member("destination") { $0.destination(webhook.destination) }
                json.member("state") { $0.state(state, at: moment) }
            }
        }
        return ids
    }

    private func exportParcels(
        _ subscriptions: [UInt64: UUID], in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        var next: UInt64? = 0
        while let start = next {
            var found: Parcel?
            var isDamaged = false
            try tables.parcels.scan(from: key(start), in: transaction) { key, value in
                var reader = ByteReader(key)
                found = reader.fixed().flatMap { ParcelRecord.decode(value, number: $0) }
                isDamaged = found == nil
                return false
            }
            if isDamaged { throw .damaged("a parcel") }
            guard let parcel = found else { break }
            next = parcel.number + 1
            let known = try tables.eventIDs.value(
                at: eventKey(parcel.source, .id, parcel.eventID), in: transaction
            ) { span -> UInt64? in
                var reader = ByteReader(span)
                return reader.number() == parcel.number ? reader.number() : nil
            }
            let routed = try routedEvent(parcel.number, in: transaction)
            let waiting = try waitingRecord(parcel.number, in: transaction)
            line("parcel") { json in
                json.member("number", parcel.number)
                json.member("environment", parcel.source.description)
                json.member("eventID", parcel.eventID)
                if let key = parcel.idempotencyKey { json.member("idempotencyKey", key) }
                json.member("event", parcel.event)
                json.member("receivedAt", parcel.receivedAt)
                // Not there where the event is not known again, as that of a test is not.
                if let deliveries = known ?? nil { json.member("deliveries", deliveries) }
                if let routed { json.routed(routed, waiting, subscriptions) }
                json.member("body", bytes: parcel.body)
            }
        }
    }
}

extension JSONWriter {
    mutating func member(_ name: String, base64 bytes: [UInt8]) {
        member(name + "Base64", Base64.standard.encode(bytes))
    }

    fileprivate mutating func member(_ name: String, _ value: Double) {
        member(name, text: "\(value)".utf8)
    }

    fileprivate mutating func member(_ name: String, _ fields: [HeaderField]) {
        member(name, arrayOf: fields) { json, field in
            json.object { json in
                json.member("name", field.name)
                json.member("value", field.value)
            }
        }
    }

    fileprivate mutating func webhook(_ webhook: Webhook) {
        member("id", webhook.id.description)
        member("environment", webhook.environment.description)
        member("name", webhook.name)
        if let description = webhook.description { member("description", description) }
        member("events", webhook.events)
        member("headerNames", webhook.headerNames)
        member("created", webhook.created)
        member("updated", webhook.updated)
    }

    mutating func destination(_ destination: Destination) {
        member("url", destination.url)
        member("method", destination.method)
        member("contentType", destination.contentType)
        if let sealed = destination.sealedHeaders { member("sealedHeaders", base64: sealed) }
        if let sealed = destination.sealedSecret { member("sealedSecret", base64: sealed) }
        switch destination.policy {
        case .fixed: member("retryPolicy", "fixed")
        case .standard: member("retryPolicy", "standard")
        case .events: member("retryPolicy", "events")
        case .own(.fixed(let retries, let interval)):
            member("retries", max(0, retries))
            member("intervalSeconds", interval)
        case .own(.schedule(let waits)):
            member("waitSeconds", arrayOf: waits) { json, wait in json.value(text: "\(wait)".utf8) }
        }
        member("inFlight", max(0, destination.limits.inFlight))
        if let rate = destination.limits.rate { member("rate", rate) }
        member("ordered", destination.limits.isOrdered)
        if let time = destination.disabledUntil { member("disabledUntil", time) }
        if let reason = destination.disabledReason { member("disabledReason", reason) }
        events(destination)
    }

    /// What counts for a minute at the most is left out.
    mutating func state(_ state: DestinationState, at moment: Moment) {
        let health = state.health
        member("delivered", health.delivered)
        member("failedAttempts", health.failedAttempts)
        member("givenUp", health.givenUp)
        member("failuresInRow", health.failuresInRow)
        member("openSeconds", health.openSeconds)
        for (name, time) in [
            ("failingSince", health.failingSince), ("givenUpSince", health.givenUpSince), ("opensAt", health.opensAt),
            ("gate", state.gate),
        ] {
            if let time { member(name, moment.wall(at: time)) }
        }
        for (name, record) in [("lastTriggered", state.lastTriggered), ("lastErrored", state.lastErrored)] {
            guard let record else { continue }
            member(name) { $0.attempt(record) }
        }
    }

    /// An attempt that is being made is no longer so in another store; it is due once its lease is over.
    fileprivate mutating func delivery(_ delivery: Delivery, at moment: Moment) {
        member("id", delivery.id.description)
        member("parcel", delivery.parcel)
        member("trigger", delivery.trigger.word)
        if delivery.isRepair { member("repair", true) }
        member("attempts", delivery.attempts)
        member("due", moment.wall(at: delivery.due))
        member("created", moment.wall(at: delivery.created))
    }

    fileprivate mutating func attempt(_ record: AttemptRecord) {
        let attempt = record.attempt
        member("number", record.number)
        member("parcel", record.parcel)
        member("eventID", record.eventID)
        member("event", record.event)
        member("count", record.count)
        member("trigger", record.trigger.word)
        member("method", record.method)
        member("url", record.url)
        member("triggeredAt", attempt.triggeredAt)
        member("durationMilliseconds", attempt.durationMilliseconds)
        if let status = attempt.status { member("status", max(0, status)) }
        if let failure = attempt.failure {
            member("errorKind", failure.kind.word)
            member("error", failure.text)
        }
        if let time = record.nextRetryAt { member("nextRetryAt", time) }
        member("final", record.isFinal)
        member("requestHeaders", attempt.requestHeaders)
        member("responseHeaders", attempt.responseHeaders)
        member("responseTruncated", attempt.isResponseTruncated)
        member("responseBody", bytes: attempt.responseBody)
        guard let approval = attempt.approval else { return }
        member("approval") { json in
            if let status = approval.status { json.member("status", max(0, status)) }
            json.member("body", bytes: approval.body)
        }
    }
}
