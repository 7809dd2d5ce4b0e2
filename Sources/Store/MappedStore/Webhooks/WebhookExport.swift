internal import Delivery
internal import Encodings
internal import HTTP
internal import JSON
internal import LMDB
internal import Values
internal import Webhooks

extension MappedStore {
    /// Writes the seal, environments with their keys, webhooks, subscriptions, payloads, deliveries, the log, and replays.
    /// Sealed values are exported sealed: only a store with the same secret can open them.
    func exportWebhooks(
        at moment: Moment, _ salvage: Salvage, in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        // Each webhook belongs to an environment with keys. Without environments, subscriptions and settings of endpoints
        // nothing is sealed, and the importing store may have any secret.
        if try tables.environments.count(in: transaction) + tables.subscriptions.count(in: transaction)
            + tables.receivers.count(in: transaction) > 0, let seal = try tables.seal.value(in: transaction)
        {
            line("seal") { json in json.member("sealed", base64: seal) }
        }
        try exportEnvironments(salvage, in: transaction, line)
        let webhooks = try exportWebhookRecords(at: moment, salvage, in: transaction, line)
        let subscriptions = try events.exportSubscriptions(at: moment, salvage, in: transaction, line)
        let owners = webhooks.mapValues { ("webhook", $0) }
            .merging(subscriptions.mapValues { ("subscription", $0) }) { first, _ in first }
        let kept = try salvage.take("the counts of deliveries, which are rebuilt") { () throws(LMDBError) in
            try tables.deliveryState.value(in: transaction) ?? DeliveryState()
        }
        let state = if let kept { kept } else { try tables.rebuiltDeliveryState(in: transaction) }
        guard state != DeliveryState() else { return }
        line("deliveries") { json in
            json.member("nextParcel", state.nextPayload)
            json.member("nextLine", state.nextLog)
        }
        try exportPayloads(subscriptions, before: state.nextPayload, salvage, in: transaction, line)
        var damagedDelivery: String?
        for (number, owner) in owners.sorted(by: { $0.key < $1.key }) {
            try tables.deliveries.scan(from: DeliveryKey(destination: number), in: transaction) { key, delivery in
                guard key.destination == number else { return false }
                guard let delivery, delivery.payload < state.nextPayload else {
                    noteDamage("a delivery of destination \(number) is damaged")
                    let name = "a delivery to \(owner.0) \(owner.1)"
                    damagedDelivery = name
                    salvage.note(name)
                    return !salvage.isStrict
                }
                line("delivery") { json in
                    json.member(owner.0, owner.1.description)
                    json.delivery(delivery, at: moment)
                }
                return true
            }
        }
        if let damagedDelivery, salvage.isStrict { throw .damaged(damagedDelivery) }
        var isDamaged = false
        func noteLine(_ number: UInt64? = nil) {
            isDamaged = true
            salvage.note("log entry \(number.map { "\($0)" } ?? "(unknown)")")
        }
        func noteUnreadable() { noteLine() }
        try tables.attempts.scanBytes(in: transaction, unreadable: noteUnreadable) { number, value in
            guard isIntact(value), let record = AttemptRecord(value), record.number == number, number < state.nextLog
            else {
                noteLine(number)
                return !salvage.isStrict
            }
            guard let owner = owners[record.destination] else { return true }
            line("attempt") { json in
                json.member(owner.0, owner.1.description)
                json.attempt(record)
            }
            return true
        }
        if isDamaged, salvage.isStrict { throw .damaged(AttemptRecord.name) }
        try events.exportReplays(subscriptions, salvage, in: transaction, line)
    }

    private func exportEnvironments(
        _ salvage: Salvage, in transaction: borrowing Transaction, _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        var environments: [(id: UUID, keyring: UInt64)] = []
        var damaged: [UUID] = []
        try tables.environments.scan(in: transaction) { id, record in
            if let record { environments.append((id, record.keyring)) } else { damaged.append(id) }
            return true
        }
        for id in damaged {
            _ = try salvage.take("the keys of environment \(id)") { () throws(LMDBError) -> Keyring? in
                throw .damaged(EnvironmentRecord.name)
            }
        }
        for (id, number) in environments.sorted(by: { $0.keyring < $1.keyring }) {
            let found = try salvage.take("the keys of environment \(id)") { () throws(LMDBError) -> Keyring in
                guard let keyring = try deliveries.keyring(number, in: transaction) else {
                    throw .damaged(KeyringRecord.name)
                }
                return keyring
            }
            guard let keyring = found else { continue }
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

    /// - Returns: the webhooks' ids, by number.
    private func exportWebhookRecords(
        at moment: Moment, _ salvage: Salvage, in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) -> [UInt64: UUID] {
        var ids: [UInt64: UUID] = [:]
        for number in try numbers(in: tables.webhooks, transaction) {
            // If only the statistics are damaged, the webhook is exported without them.
            let kept = try salvage.take("the delivery statistics of webhook number \(number)") {
                () throws(LMDBError) -> DestinationState in
                guard let state = try deliveries.destinationState(number, in: transaction) else {
                    throw .damaged(DestinationState.name)
                }
                return state
            }
            let state = kept ?? DestinationState()
            let found = try salvage.take("webhook number \(number)") { () throws(LMDBError) -> Webhook in
                guard let destination = try deliveries.destination(number, in: transaction),
                    let record = try tables.webhooks.value(at: number, in: transaction)
                else { throw .damaged(WebhookRecord.name) }
                return record.webhook(destination, state)
            }
            guard let webhook = found else { continue }
            ids[number] = webhook.id
            line("webhook") { json in
                json.webhook(webhook)
                json.member("destination") { $0.destination(webhook.destination) }
                json.member("state") { $0.state(state, at: moment) }
            }
        }
        return ids
    }

    private func exportPayloads(
        _ subscriptions: [UInt64: UUID], before end: UInt64, _ salvage: Salvage, in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        for number in try numbers(in: tables.payloads, transaction) where number < end {
            let found = try salvage.take("event number \(number)") { () throws(LMDBError) -> Payload? in
                let isWhole = try tables.payloads.part(at: number, in: transaction) { isIntact($0) }
                guard isWhole == true else { throw .damaged(PayloadRecord.name) }
                return try deliveries.payload(number, in: transaction)
            }
            guard let payload = found else { continue }
            let known = try tables.eventIDs.readable(
                at: EventKey(payload.source, .id, payload.eventID), in: transaction)
            // If only the record of its matches is damaged, the event is matched again after the import.
            var routed = try salvage.take("the matches of event \(payload.eventID), which is matched again") {
                () throws(LMDBError) in try events.routedEvent(payload.number, in: transaction)
            }
            var waiting = try salvage.take("the progress of event \(payload.eventID), which is matched again") {
                () throws(LMDBError) in try events.waitingRecord(payload.number, in: transaction)
            }
            if payload.source == EventKey.routedSource, routed == nil {
                routed = RoutedEventRecord()
                waiting = WaitingRecord()
            }
            line("parcel") { json in
                json.member("number", payload.number)
                json.member("environment", payload.source.description)
                json.member("eventID", payload.eventID)
                if let key = payload.idempotencyKey { json.member("idempotencyKey", key) }
                json.member("event", payload.event)
                json.member("receivedAt", payload.receivedAt)
                // Left out if the event is not recognized when it is sent again, as a test event is not.
                if let known, known.payload == payload.number, let deliveries = known.deliveries {
                    json.member("deliveries", deliveries)
                }
                if let routed { json.routed(routed, waiting, subscriptions) }
                json.member("body", bytes: payload.body)
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

    /// Leaves out the failures of the last minute, the state of the rate limit, and what has been reported of the way to
    /// being disabled (`toldPercent`).
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

    /// An importing store has no attempts in flight. There, a delivery whose attempt is in flight now is due when its lease
    /// ends.
    fileprivate mutating func delivery(_ delivery: Delivery, at moment: Moment) {
        member("id", delivery.id.description)
        member("parcel", delivery.payload)
        member("trigger", delivery.trigger.word)
        if delivery.isRepair { member("repair", true) }
        member("attempts", delivery.attempts)
        member("due", moment.wall(at: delivery.due))
        member("created", moment.wall(at: delivery.created))
    }

    fileprivate mutating func attempt(_ record: AttemptRecord) {
        let attempt = record.attempt
        member("number", record.number)
        member("parcel", record.payload)
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
