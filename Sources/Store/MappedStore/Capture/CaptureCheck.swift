internal import Capture
internal import HTTP
internal import LMDB
internal import Values

extension MappedCapture {
    /// Checks endpoints, their notifications, and the remembered requests that refer to these.
    func checkEndpoints(_ check: inout StoreCheck, in transaction: borrowing Transaction) throws(LMDBError) {
        let kept = try checkRequests(&check, in: transaction)
        let count = try checkRecords(&check, kept: kept, in: transaction)
        // Each endpoint is in both indexes. If an index has only as many entries as there are endpoints, it has no others.
        try checkIndex(tables.endpointIDs, "index of ids", for: count, "endpoints", &check, in: transaction)
        try checkIndex(tables.endpointUses, "index of uses", for: count, "endpoints", &check, in: transaction)
        if try tables.captureState.isDamaged(in: transaction) {
            check.report("The record of the counters cannot be read.")
        }
    }

    /// Returns, by endpoint, the notifications that are kept for a retry of collecting them.
    private func checkRequests(
        _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64: [Range<UInt64>]] {
        var kept: [UInt64: [Range<UInt64>]] = [:]
        try visit(tables.requests.table, &check, in: transaction) { key, value, check in
            guard key != nil, let outcome = Outcome(value) else {
                return check.report("A remembered request cannot be read.")
            }
            guard case .collected(let endpoint, let first, let end) = outcome, first < end else { return }
            kept[endpoint, default: []].append(first..<end)
        }
        return kept
    }

    /// Returns the number of endpoints, with those that are damaged.
    private func checkRecords(
        _ check: inout StoreCheck, kept: [UInt64: [Range<UInt64>]], in transaction: borrowing Transaction
    ) throws(LMDBError) -> Int {
        var count = 0
        var records: [UInt64: EndpointRecord] = [:]
        var found: [UInt64: (count: UInt64, bytes: UInt64)] = [:]
        var attempts: Set<DeliveryAttemptKey> = []
        let next = try tables.captureState.readable(in: transaction)?.nextEndpoint ?? 1
        func checkEndpoint(_ number: UInt64, _ value: RawSpan, _ check: inout StoreCheck) {
            count += 1
            guard let record = EndpointRecord.decode(value, at: number) else {
                return check.report("The record of an endpoint cannot be read.")
            }
            if number >= next { check.report("Endpoint \(number) has a number above the last one assigned.") }
            if record.indexedUse > record.endpoint.lastUsed, !record.endpoint.settings.isPinned {
                check.report("The index of uses has endpoint \(number) at a later time than its record.")
            }
            records[number] = record
            check.countEndpoint()
        }
        func checkNotification(_ key: OwnedNumber, _ value: RawSpan, _ check: inout StoreCheck) {
            check.countNotification()
            let (owner, number) = (key.owner, key.number)
            if let delivery = NotificationRecord.delivery(value) {
                attempts.insert(DeliveryAttemptKey(owner, delivery, number))
            }
            if !isIntact(value) || NotificationRecord.decode(value, at: key) == nil {
                check.report("Notification \(number) of endpoint \(owner) is damaged.")
            }
            guard let endpoint = records[owner]?.endpoint else {
                if kept[owner]?.contains(where: { $0.contains(number) }) == true { return }
                return check.report("Notification \(number) belongs to endpoint \(owner), which does not exist.")
            }
            if number >= endpoint.next {
                check.report("Notification \(number) of endpoint \(owner) has a number above the last one assigned.")
            } else if number >= endpoint.uncollected {
                found[owner, default: (0, 0)].count += 1
                found[owner, default: (0, 0)].bytes += UInt64(NotificationRecord.weight(value))
            } else if kept[owner]?.contains(where: { $0.contains(number) }) != true {
                check.report("Notification \(number) of endpoint \(owner) was collected, but was not removed.")
            }
        }
        // An endpoint comes before its notifications.
        try visit(tables.endpoints.all, &check, in: transaction) { key, value, check in
            switch key {
            case .head(let number): checkEndpoint(number, value, &check)
            case .entry(let key): checkNotification(key, value, &check)
            case nil: check.report("The key of an endpoint or a notification cannot be read.")
            }
        }
        for (number, record) in records {
            let (count, bytes) = found[number] ?? (0, 0)
            if count != record.endpoint.count {
                check.report(
                    "Endpoint \(number) counts \(record.endpoint.count) waiting notifications, but has \(count).")
            } else if bytes != record.endpoint.bytes {
                check.report(
                    "Endpoint \(number) counts \(record.endpoint.bytes) bytes of waiting notifications, but has \(bytes)."
                )
            }
            if try tables.endpointIDs.readable(at: record.endpoint.id, in: transaction) != number {
                check.report("Endpoint \(number) is missing from the index of ids.")
            }
            if try !tables.endpointUses.contains(record.useKey, in: transaction) {
                check.report("Endpoint \(number) is missing from the index of uses.")
            }
        }
        try checkRefusals(records, &check, in: transaction)
        try checkReceivers(records, &check, in: transaction)
        try checkConfirmations(records, &check, in: transaction)
        try checkForwards(records, &check, in: transaction)
        try checkIndex(
            tables.notificationDeliveries, "index of deliveries", for: attempts.count,
            "notifications that are attempts",
            &check, in: transaction)
        for key in attempts where try !tables.notificationDeliveries.contains(key, in: transaction) {
            check.report(
                "Notification \(key.number) of endpoint \(key.endpoint) is missing from the index of deliveries.")
        }
        return count
    }

    private func checkReceivers(
        _ records: [UInt64: EndpointRecord], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var found: Set<UInt64> = []
        try visit(tables.receivers, &check, in: transaction) { number, value, check in
            guard let number else { return check.report("The key of an endpoint's settings cannot be read.") }
            found.insert(number)
            if ReceiverRecord.decode(value, at: number) == nil {
                check.report("The settings of endpoint \(number) are damaged.")
            }
            if records[number]?.endpoint.settings.hasReceiver != true {
                check.report("There are settings of endpoint \(number), which does not exist or has none.")
            }
        }
        for (number, record) in records where record.endpoint.settings.hasReceiver && !found.contains(number) {
            check.report("Endpoint \(number) has lost its settings.")
        }
    }

    private func checkConfirmations(
        _ records: [UInt64: EndpointRecord], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var pending: Set<DueConfirmation> = []
        try visit(tables.confirmations, &check, in: transaction) { key, value, check in
            guard let key else { return check.report("The key of a confirmation cannot be read.") }
            if records[key.endpoint] == nil {
                check.report("There is a confirmation of endpoint \(key.endpoint), which does not exist.")
            }
            guard let confirmation = ConfirmationRecord.decode(value, at: key) else {
                return check.report("A confirmation of endpoint \(key.endpoint) is damaged.")
            }
            if confirmation.state == .pending { pending.insert(DueConfirmation(confirmation.due, key)) }
        }
        var listed: Set<DueConfirmation> = []
        try visit(tables.dueConfirmations, &check, in: transaction) { key, _, check in
            if let key { listed.insert(key) } else { check.report("The key of a pending confirmation cannot be read.") }
        }
        if listed != pending {
            check.report("\(listed.count) confirmations are listed as pending, but not the \(pending.count) that are.")
        }
    }

    private func checkRefusals(
        _ records: [UInt64: EndpointRecord], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        try visit(tables.refusals.table, &check, in: transaction) { key, value, check in
            guard let key else { return check.report("The key of a refused request cannot be read.") }
            let record = value.byteCount > 10 ? value.extracting(droppingFirst: 10) : value
            if !isIntact(record) || RefusalRecord.decode(value, at: key) == nil {
                check.report("Refused request \(key.number) of endpoint \(key.owner) is damaged.")
            }
            if records[key.owner] == nil {
                check.report("Refused request \(key.number) belongs to endpoint \(key.owner), which does not exist.")
            }
        }
    }
}
