package import Delivery
internal import Events
internal import HTTP
internal import JSON
internal import LMDB
internal import Storage
package import Values
internal import Webhooks

extension DeliveryWork {
    /// Reports the end of an attempt to operators, if it matters to them. Such an event is counted and logged, and delivered
    /// if operators have a destination. The attempts to deliver it there are not reported.
    /// - Parameters:
    ///   - disabling: why this attempt disabled the destination; `nil` if it did not.
    ///   - percent: how much of the time of failures that disables a destination has passed (50, 70 or 90 %); `nil` if that
    ///     has been reported already, or is less.
    mutating func tell(
        _ result: DeliveryResult, _ verdict: Verdict, _ line: AttemptRecord, disabling: String?, percent: Int?,
        in transaction: inout Transaction
    ) throws(LMDBError) {
        let number = result.delivery.destination
        var found: [(OperationalEvent.Kind, [OperationalEvent.Detail])] = []
        for kind in OperationalEvent.kinds(
            after: verdict, attempts: Int(line.count), result.delivery, wish: result.wish)
        {
            // If the payload is gone or damaged, an earlier log entry names the event.
            let named = line.eventID.isEmpty ? try earlierLine(of: line, in: transaction) : line
            found.append((kind, line.details(kind, named)))
        }
        if let disabling {
            found.append((.endpointDisabled, [OperationalEvent.Detail("reason", .text(oneLine(disabling)))]))
        } else if let percent {
            found.append((.endpointFailing, [OperationalEvent.Detail("percent", .number(percent))]))
        }
        guard !found.isEmpty else { return }
        let subject = try subject(of: number, in: transaction)
        for (kind, details) in found {
            try tell(OperationalEvent(kind, at: moment.wall, subject + details), in: &transaction)
        }
    }

    /// The details that identify a destination and its owner to operators.
    private func subject(
        of number: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [OperationalEvent.Detail] {
        let unnamed = [OperationalEvent.Detail("destination", .number(Int(clamping: number)))]
        guard let destination = try store.destination(number, in: transaction) else { return unnamed }
        if let state = try store.destinationState(number, in: transaction),
            let webhook = try store.tables.webhooks.value(at: number, in: transaction)?.webhook(destination, state)
        {
            return [
                OperationalEvent.Detail("webhook_id", .text(webhook.id.description)),
                OperationalEvent.Detail("environment_id", .text(webhook.environment.description)),
            ]
        }
        let found = try store.sparing("subscription \(number)") { () throws(LMDBError) -> Subscription? in
            guard let record = try store.tables.subscriptions.value(at: number, in: transaction) else { return nil }
            guard let subscription = record.subscription(destination) else { throw .damaged(SubscriptionRecord.name) }
            return subscription
        }
        guard let subscription = found else { return unnamed }
        // A query may hold a token.
        let url = destination.url
        let end = url.firstIndex(of: "?")
        return [
            OperationalEvent.Detail("subscription", .text(subscription.id.description)),
            OperationalEvent.Detail("user", .text(subscription.user)),
            OperationalEvent.Detail("url", .text(end.map { "\(url[...$0])…" } ?? url)),
        ]
    }

    /// A log entry of the same payload that names its event; `line` itself if none of the first 16 does.
    private func earlierLine(
        of line: AttemptRecord, in transaction: borrowing Transaction
    ) throws(LMDBError) -> AttemptRecord {
        var found: AttemptRecord?
        for number in try store.lineNumbers(ofPayload: line.payload, limit: 16, in: transaction) where found == nil {
            let other = try store.tables.attempts.readable(at: number, in: transaction)
            if let other, !other.eventID.isEmpty { found = other }
        }
        return found ?? line
    }

    private mutating func tell(
        _ event: OperationalEvent, in transaction: inout Transaction
    ) throws(LMDBError) {
        events.append(event)
        metrics.metrics.count(event.kind)
        guard let operators = try store.operatorsDestination(in: transaction) else { return }
        var random = SystemRandomNumberGenerator()
        let content = Payload.Content(
            eventID: "ops_\(UUID(random: &random))", event: event.kind.rawValue,
            source: UUID(bytes: repeatElement(0, count: 16)) ?? UUID(random: &random), body: event.body)
        let payload = try storePayload(content, in: &transaction)
        _ = try deliver(payload, to: operators, .scheduled, in: &transaction)
    }
}

extension AttemptRecord {
    /// - Parameter named: the log entry that names the event.
    fileprivate func details(_ kind: OperationalEvent.Kind, _ named: AttemptRecord) -> [OperationalEvent.Detail] {
        typealias Detail = OperationalEvent.Detail
        var details = [Detail("event", .text(named.event)), Detail("event_id", .text(named.eventID))]
        // Without an event id, only the payload's number identifies it.
        if named.eventID.isEmpty { details.append(Detail("parcel", .number(Int(clamping: payload)))) }
        details.append(Detail("attempts", .number(Int(count))))
        if let status = attempt.status { details.append(Detail("status_code", .number(status))) }
        if let failure = attempt.failure {
            details.append(Detail("error_kind", .text(failure.kind.word)))
            details.append(Detail("error", .text(oneLine(failure.text))))
        }
        return details
    }
}

/// A text from outside as one line of at most 200 Unicode scalars; "…" marks a cut. Each run of white space and control
/// characters becomes one space, or nothing at the beginning.
private func oneLine(_ text: String) -> String {
    var line = ""
    var count = 0
    var isBlank = true
    for character in text.unicodeScalars {
        guard count < 200 else { return line + "…" }
        if character.properties.isWhitespace || character.value < 0x20 || (0x7f...0x9f).contains(character.value) {
            if !isBlank { line += " " } else { continue }
            isBlank = true
        } else {
            line.unicodeScalars.append(character)
            isBlank = false
        }
        count += 1
    }
    return line
}

extension OperationalEvent {
    /// The JSON that operators are sent, with the members that Standard Webhooks recommends.
    fileprivate var body: [UInt8] {
        objectJSON { json in
            json.member("type", kind.rawValue)
            json.member("timestamp", time.rfc3339)
            json.member("data") { json in
                for detail in details {
                    switch detail.value {
                    case .text(let text): json.member(detail.name, text)
                    case .number(let number): json.member(detail.name, number)
                    }
                }
            }
        }
    }
}

extension MappedDeliveries: DeliveryAdministration {
    /// The number of the destination of operational events; `nil` if they are not delivered.
    func operatorsDestination(in transaction: borrowing Transaction) throws(LMDBError) -> UInt64? {
        try tables.operators.value(in: transaction)
    }

    /// The destination of operational events; `nil` if they are not delivered.
    package func operationalDestination() throws(StoreFailure) -> Destination? {
        try read { (transaction) throws(LMDBError) in
            guard let number = try operatorsDestination(in: transaction) else { return nil }
            return try destination(number, in: transaction)
        }
    }

    /// Sets the destination of operational events, or ends their delivery. Pending ones go to the new destination too.
    /// - Parameter wanted: the destination, whose number is ignored; `nil` ends delivery.
    package func sendOperationalEvents(to wanted: Destination?) throws(StoreFailure) {
        try write { (transaction) throws(LMDBError) in
            if let number = try operatorsDestination(in: transaction) {
                if let wanted { return try put(wanted.numbered(number, keyring: nil), in: &transaction) }
                try tables.operators.remove(in: &transaction)
                return try remove(destination: number, in: &transaction)
            }
            guard let wanted else { return }
            var work = try DeliveryWork(self, at: core.clock.now(), in: transaction)
            let made = wanted.numbered(work.takeDestinationNumber(), keyring: nil)
            try put(made, in: &transaction)
            try put(DestinationState(), of: made.number, in: &transaction)
            try tables.operators.put(made.number, in: &transaction)
            try work.finish(in: &transaction)
        }
    }
}
