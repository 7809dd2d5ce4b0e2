package import Delivery
package import HTTP
internal import LMDB
package import Values
package import Webhooks

extension MappedWebhooks: WebhookStore {
    // MARK: Webhooks

    package func webhooks(of environment: UUID) throws(StoreFailure) -> [Webhook] {
        try read(of: "webhooks of environment \(environment)") { (transaction) throws(LMDBError) in
            var webhooks: [Webhook] = []
            for (number, _) in try subscriptions(of: environment, in: transaction) {
                let found = try sparing("webhook number \(number) of environment \(environment)") {
                    () throws(LMDBError) in try webhook(number: number, in: transaction)
                }
                if let found { webhooks.append(found) }
            }
            return webhooks
        }
    }

    package func webhook(_ id: UUID) throws(StoreFailure) -> Webhook? {
        try read(of: "webhook \(id)") { (transaction) throws(LMDBError) in try webhook(id, in: transaction) }
    }

    package func create(
        _ webhook: Webhook, for request: RequestID?, limit: Int, key: Keyring.Key?
    ) throws(StoreFailure) -> WebhookCreation {
        try growing(of: "webhooks of environment \(webhook.environment)") { (transaction) throws(LMDBError) in
            if case .made(let id) = try outcome(of: request, in: transaction),
                let made = try self.webhook(id, in: transaction)
            {
                return .created(made)
            }
            guard try subscriptions(of: webhook.environment, in: transaction).count < limit else { return .tooMany }
            guard try admit(bytes: 4096 + webhook.destination.url.utf8.count, in: &transaction) else { return nil }
            var work = try DeliveryWork(deliveries, at: core.clock.now(), in: transaction)
            guard let keyring = try keyring(of: webhook.environment, beginning: key, &work, in: &transaction) else {
                return .noKey
            }
            var made = webhook
            made.destination = webhook.destination.numbered(work.takeDestinationNumber(), keyring: keyring.number)
            try put(made, in: &transaction)
            try deliveries.put(DestinationState(), of: made.destination.number, in: &transaction)
            try work.finish(in: &transaction)
            try remember(.made(webhook.id), of: request, in: &transaction)
            return .created(made)
        }
    }

    package func replace(_ webhook: Webhook, by changed: Webhook) throws(StoreFailure) -> Replacement<Webhook> {
        try growing(of: "webhook \(webhook.id)") { (transaction) throws(LMDBError) -> Replacement<Webhook>? in
            guard let current = try self.webhook(webhook.id, in: transaction) else { return .gone }
            guard current == webhook else { return .differs(current) }
            guard try admit(bytes: 4096 + changed.destination.url.utf8.count, in: &transaction) else { return nil }
            try put(changed, in: &transaction)
            // Disabling or enabling a destination changes when its deliveries are due.
            var work = try DeliveryWork(deliveries, at: core.clock.now(), in: transaction)
            try work.reconsider(changed.destination.number, before: webhook.destination, in: transaction)
            if webhook.destination.limits.isOrdered, !changed.destination.limits.isOrdered {
                try work.endOrder(of: changed.destination.number, in: &transaction)
            }
            try work.finish(in: &transaction)
            return .replaced
        }
    }

    package func delete(_ id: UUID, for request: RequestID?) throws(StoreFailure) -> Bool {
        try write(of: "webhook \(id)") { (transaction) throws(LMDBError) in
            if try outcome(of: request, in: transaction) == .done { return true }
            guard let number = try webhookNumber(id, in: transaction),
                let webhook = try webhook(number: number, in: transaction)
            else { return false }
            try tables.environmentWebhooks.remove(Owned(webhook.environment, number), in: &transaction)
            try tables.webhookIDs.remove(id, in: &transaction)
            try tables.webhooks.remove(number, in: &transaction)
            try deliveries.remove(destination: number, in: &transaction)
            try noteIdle(webhook.environment, at: core.clock.now().wall, in: &transaction)
            try remember(.done, of: request, in: &transaction)
            return true
        }
    }

    // MARK: Events

    package func accept(
        _ event: Event, in environment: UUID, for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> EventAcceptance {
        try growing(of: "events of environment \(environment)") { (transaction) throws(LMDBError) in
            if case .event(let key) = try outcome(of: request, in: transaction),
                let known = try knownEvent(at: key, in: transaction)
            {
                return EventAcceptance(eventID: known.eventID, deliveries: known.deliveries, isRepeated: false)
            }
            let wanted = try subscriptions(of: environment, in: transaction).filter { $0.events.contains(event.type) }
            // The request was handled before. Its event was stored then, and has been removed since.
            if case .event = try outcome(of: request, in: transaction) {
                return EventAcceptance(eventID: event.id, deliveries: wanted.count, isRepeated: false)
            }
            var keys = [EventKey(environment, .id, event.id)]
            if let text = event.idempotencyKey { keys.append(EventKey(environment, .idempotencyKey, text)) }
            for key in keys {
                if let known = try knownEvent(at: key, in: transaction) { return known }
            }
            guard
                try admit(
                    bytes: event.body.count + 512 * (1 + wanted.count), largest: event.body.count + 512,
                    in: &transaction)
            else { return nil }
            var work = try DeliveryWork(deliveries, at: moment, in: transaction)
            let payload = try work.storePayload(event.payload(from: environment), in: &transaction)
            var count: UInt64 = 0
            for (number, _) in wanted {
                if try work.deliver(payload, to: number, .scheduled, in: &transaction) != nil { count += 1 }
            }
            let record = EventIDRecord(payload: payload.number, deliveries: count)
            for key in keys { try tables.eventIDs.put(record, at: key, in: &transaction) }
            try work.finish(in: &transaction)
            try remember(.event(keys[0]), of: request, in: &transaction)
            return EventAcceptance(eventID: event.id, deliveries: Int(count), isRepeated: false)
        }
    }

    package func test(
        _ event: Event, to webhook: UUID, for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> UUID? {
        try growing(of: "webhook \(webhook)") { (transaction) throws(LMDBError) -> Presence<UUID>? in
            if case .made(let id) = try outcome(of: request, in: transaction) { return .present(id) }
            guard let number = try webhookNumber(webhook, in: transaction),
                let found = try self.webhook(number: number, in: transaction)
            else { return .absent }
            guard try admit(bytes: event.body.count + 1024, in: &transaction) else { return nil }
            var work = try DeliveryWork(deliveries, at: moment, in: transaction)
            let payload = try work.storePayload(event.payload(from: found.environment), in: &transaction)
            guard let id = try work.deliver(payload, to: number, .test, in: &transaction) else { return .absent }
            try work.finish(in: &transaction)
            try remember(.made(id), of: request, in: &transaction)
            return .present(id)
        }.value
    }

    // MARK: Logs

    package func log(of webhook: UUID, _ query: LogQuery) throws(StoreFailure) -> LogPage? {
        try read(of: "webhook \(webhook)") { (transaction) throws(LMDBError) in
            guard let found = try self.webhook(webhook, in: transaction) else { return nil }
            var page = LogPage(entries: [])
            var seen = 0
            var bytes = 0
            let number = found.destination.number
            try deliveries.scanLog(of: number, before: query.before ?? .max, in: transaction) {
                record throws(LMDBError) in
                // There is another entry: the next query begins with it.
                guard page.entries.count < query.limit, seen < MappedDeliveries.linesLookedAt,
                    bytes < MappedDeliveries.logBytes
                else {
                    page.next = record.number + 1
                    return false
                }
                seen += 1
                guard query.matches(record) else { return true }
                let entry = try logEntry(record, found, in: transaction)
                bytes += record.attempt.loggedBytes + (entry.requestBody?.count ?? 0)
                page.entries.append(entry)
                return true
            }
            return page
        }
    }

    package func retry(
        _ entry: UInt64, of webhook: UUID, for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> Redelivery {
        try deliveries.redeliver(entry, for: request, at: moment) { (transaction) throws(LMDBError) -> UInt64? in
            try webhookNumber(webhook, in: transaction)
        }
    }

    package func recover(
        _ webhook: UUID, since: Timestamp, until: Timestamp, limit: Int, for request: RequestID?, at moment: Moment
    ) throws(StoreFailure) -> Int? {
        try growing(of: "webhook \(webhook)") { (transaction) throws(LMDBError) -> Presence<Int>? in
            if case .count(let count) = try outcome(of: request, in: transaction) {
                return .present(Int(clamping: count))
            }
            guard let number = try webhookNumber(webhook, in: transaction) else { return .absent }
            var lost = try deliveries.lostPayloads(
                of: number, since: since, until: until, limit: limit, in: transaction)
            guard try admit(bytes: 1024 * lost.count, largest: 1024, in: &transaction) else { return nil }
            var work = try DeliveryWork(deliveries, at: moment, in: transaction)
            var count = 0
            guard try work.destination(number, in: transaction) != nil else { return .absent }
            // Payloads that are gone or damaged do not count towards the limit: look for others.
            while count < limit, !lost.isEmpty {
                for payload in lost {
                    guard let kept = try deliveries.readablePayload(payload, in: transaction) else {
                        try deliveries.removeLost(payload, at: number, in: &transaction)
                        continue
                    }
                    _ = try work.deliver(kept, to: number, .recover, isRepair: true, in: &transaction)
                    count += 1
                }
                lost = try deliveries.lostPayloads(
                    of: number, since: since, until: until, limit: limit - count, in: transaction)
            }
            try work.finish(in: &transaction)
            try remember(.count(UInt64(count)), of: request, in: &transaction)
            return .present(count)
        }.value
    }

    package func statistics(of webhook: UUID) throws(StoreFailure) -> WebhookStatistics? {
        try read(of: "webhook \(webhook)") { (transaction) throws(LMDBError) in
            guard let number = try webhookNumber(webhook, in: transaction),
                let state = try deliveries.destinationState(number, in: transaction)
            else { return nil }
            return WebhookStatistics(health: state.health, pending: Int(clamping: state.pending))
        }
    }

    // MARK: Settings

    package func keyring(of environment: UUID) throws(StoreFailure) -> Keyring? {
        try read(of: "keys of environment \(environment)") { (transaction) throws(LMDBError) -> Keyring? in
            guard let number = try keyringNumber(of: environment, in: transaction) else { return nil }
            return try deliveries.keyring(number, in: transaction)
        }
    }

    package func keyring(
        of environment: UUID, beginning key: Keyring.Key
    ) throws(StoreFailure) -> Keyring {
        try growing(of: "keys of environment \(environment)") { (transaction) throws(LMDBError) -> Keyring? in
            guard try admit(bytes: 4096, in: &transaction) else { return nil }
            var work = try DeliveryWork(deliveries, at: core.clock.now(), in: transaction)
            let keyring = try keyring(of: environment, beginning: key, &work, in: &transaction)
            try work.finish(in: &transaction)
            guard let keyring else { throw .damaged("the keys of an environment") }
            return keyring
        }
    }

    package func rotate(
        _ environment: UUID, to key: Keyring.Key, at now: Timestamp, overlapSeconds: Double
    ) throws(StoreFailure) -> Keyring? {
        try write(of: "keys of environment \(environment)") { (transaction) throws(LMDBError) in
            guard let number = try keyringNumber(of: environment, in: transaction),
                let keyring = try deliveries.keyring(number, in: transaction)
            else { return nil }
            guard let rotated = keyring.announcing(key, at: now, overlapSeconds: overlapSeconds) else { return keyring }
            try put(rotated, in: &transaction)
            return rotated
        }
    }
}

extension LogQuery {
    fileprivate func matches(_ record: AttemptRecord) -> Bool {
        (event.map { $0 == record.event } ?? true)
            && (succeeded.map { $0 == (record.attempt.failure == nil) } ?? true)
            && (status.map { $0 == record.attempt.status } ?? true)
    }
}

extension Event {
    fileprivate func payload(from environment: UUID) -> Payload.Content {
        Payload.Content(eventID: id, idempotencyKey: idempotencyKey, event: type, source: environment, body: body)
    }
}
