internal import Delivery
internal import HTTP
internal import LMDB
internal import Values
internal import Webhooks

extension MappedWebhooks {
    /// Checks keyrings, destinations, deliveries, payloads, the log, and webhooks.
    func checkWebhooks(_ check: inout StoreCheck, in transaction: borrowing Transaction) throws(LMDBError) {
        if try tables.deliveryState.isDamaged(in: transaction) {
            return check.report("The record of the state of deliveries cannot be read.")
        }
        // A store that never had a destination does not have this record.
        let state = try tables.deliveryState.readable(in: transaction) ?? DeliveryState()
        var gone: Set<UInt64> = []
        try tables.garbage.scanKeys(in: transaction) { garbage in
            if case .deliveries(let destination) = garbage { gone.insert(destination) }
            return true
        }
        let keyrings = try checkKeyrings(state, &check, in: transaction)
        let destinations = try checkDestinations(state, keyrings, &check, in: transaction)
        let states = try checkDestinationStates(destinations, &check, in: transaction)
        try checkDeliveries(state, states, gone, &check, in: transaction)
        try checkHeads(states, &check, in: transaction)
        try checkKept(state, Set(states.keys).union(gone), &check, in: transaction)
        try checkWebhookRecords(destinations, states, &check, in: transaction)
    }

    private func checkKeyrings(
        _ state: DeliveryState, _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Set<UInt64> {
        var keyrings: Set<UInt64> = []
        try visit(tables.keyrings, &check, in: transaction) { key, value, check in
            guard let number = key, KeyringRecord.decode(value, at: number) != nil else {
                return check.report("The record of a keyring cannot be read.")
            }
            if number >= state.nextKeyring {
                check.report("Keyring \(number) has a number above the last one assigned.")
            }
            keyrings.insert(number)
        }
        try visit(tables.environments, &check, in: transaction) { key, value, check in
            guard key != nil, let number = EnvironmentRecord(value)?.keyring else {
                return check.report("The record of an environment cannot be read.")
            }
            if !keyrings.contains(number) {
                check.report("An environment has keyring \(number), which does not exist.")
            }
        }
        return keyrings
    }

    private func checkDestinations(
        _ state: DeliveryState, _ keyrings: Set<UInt64>, _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64: Destination] {
        var destinations: [UInt64: Destination] = [:]
        try visit(tables.destinations, &check, in: transaction) { key, value, check in
            guard let number = key, let destination = DestinationRecord.decode(value, at: number) else {
                return check.report("The record of a destination cannot be read.")
            }
            if number >= state.nextDestination {
                check.report("Destination \(number) has a number above the last one assigned.")
            }
            if let keyring = destination.keyring, !keyrings.contains(keyring) {
                check.report("Destination \(number) has keyring \(keyring), which does not exist.")
            }
            destinations[number] = destination
        }
        return destinations
    }

    private func checkDestinationStates(
        _ destinations: [UInt64: Destination], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [UInt64: DestinationState] {
        var states: [UInt64: DestinationState] = [:]
        try visit(tables.destinationStates, &check, in: transaction) { key, value, check in
            guard let number = key, let state = DestinationState(value) else {
                return check.report("The state of a destination cannot be read.")
            }
            if destinations[number] == nil {
                check.report("The state of destination \(number) belongs to a destination that does not exist.")
            }
            states[number] = state
        }
        for number in destinations.keys.sorted() where states[number] == nil {
            check.report("Destination \(number) has no state.")
        }
        return states
    }

    private func checkDeliveries(
        _ state: DeliveryState, _ states: [UInt64: DestinationState], _ gone: Set<UInt64>, _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var found: [UInt64: (count: UInt64, first: Timestamp)] = [:]
        var numbers: Set<UInt64> = []
        var inFlight: UInt64 = 0
        var holds: [OwnedNumber: UInt64] = [:]
        try visit(tables.deliveries, &check, in: transaction) { key, value, check in
            guard let key, let delivery = DeliveryRecord.decode(value, at: key) else {
                return check.report("A delivery cannot be read.")
            }
            let number = delivery.number
            if delivery.owner != 0 { inFlight += 1 }
            holds[OwnedNumber(delivery.payload, number)] = delivery.destination
            if number >= state.nextDelivery || !numbers.insert(number).inserted {
                check.report("Delivery \(number) has a number above the last one assigned, or used twice.")
            }
            if delivery.payload >= state.nextPayload {
                check.report(
                    "Delivery \(number) has payload \(delivery.payload), a number above the last one assigned.")
            }
            guard states[delivery.destination] != nil else {
                if !gone.contains(delivery.destination) {
                    check.report(
                        "Delivery \(number) goes to destination \(delivery.destination), which does not exist.")
                }
                return
            }
            check.countDelivery()
            found[delivery.destination, default: (0, delivery.due)].count += 1
        }
        // A payload with an entry is kept.
        for (key, destination) in holds where try tables.holds.readable(at: key, in: transaction) != destination {
            check.report("Delivery \(key.number) is not in the index of deliveries by payload.")
        }
        try checkIndex(
            tables.holds, "index of deliveries by payload", for: holds.count, "deliveries", &check, in: transaction)
        // Deliveries of destinations that are gone count until they are removed.
        let count = try tables.deliveries.count(in: transaction)
        if state.pending != count {
            check.report("The state of deliveries counts \(state.pending) pending deliveries, but there are \(count).")
        }
        if state.inFlight != inFlight {
            check.report(
                "The state of deliveries counts \(state.inFlight) attempts in flight, but there are \(inFlight).")
        }
        for number in states.keys.sorted() {
            guard let state = states[number] else { continue }
            let count = found[number]?.count ?? 0
            if state.pending != count {
                check.report("Destination \(number) counts \(state.pending) pending deliveries, but has \(count).")
            }
            switch (state.head, found[number]?.first) {
            case (nil, nil): break
            case (let head?, let first?) where head >= first: break
            default: check.report("Destination \(number) has a next due time that is not that of its deliveries.")
            }
        }
    }

    private func checkHeads(
        _ states: [UInt64: DestinationState], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var seen: Set<UInt64> = []
        var owned: [OwnerHeadKey] = []
        for kind in OwnerHeads.allCases {
            try visit(tables.heads(kind), &check, in: transaction) { key, value, check in
                guard let key, let owner = UUIDRecord<TimedNumber>.decode(value, at: key) else {
                    return check.report("An entry of the index of due times cannot be read.")
                }
                let number = key.number
                if !seen.insert(number).inserted {
                    check.report("The index of due times has destination \(number) twice.")
                }
                if states[number]?.head != key.time {
                    check.report("The index of due times has destination \(number) at another time than its record.")
                }
                owned.append(OwnerHeadKey(kind, owner, key.time, number))
            }
        }
        try checkOwners(owned, &check, in: transaction)
        for (number, state) in states where state.head != nil && !seen.contains(number) {
            check.report("Destination \(number) is missing from the index of due times.")
        }
    }

    /// Checks the indexes from which owners get their turns.
    /// - Parameter heads: what the index by owner must have.
    private func checkOwners(
        _ heads: [OwnerHeadKey], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var first: [OwnerHeads: [UUID: Timestamp]] = [:]
        for head in heads {
            if try !tables.ownerHeads.contains(head, in: transaction) {
                check.report("Destination \(head.number) is not found by its owner.")
            }
            let time = first[head.kind]?[head.owner] ?? head.time
            first[head.kind, default: [:]][head.owner] = min(time, head.time)
        }
        try checkIndex(
            tables.ownerHeads, "index of heads by owner", for: heads.count, "destinations", &check, in: transaction)
        var count = 0
        for (kind, times) in first {
            for (owner, time) in times {
                count += 1
                if try !tables.dueOwners.contains(DueOwnerKey(kind, time, owner), in: transaction) {
                    check.report("An owner is not in the index of due owners.")
                }
            }
        }
        try checkIndex(tables.dueOwners, "index of due owners", for: count, "owners", &check, in: transaction)
    }

    /// Checks payloads, the log with its indexes, and the ids of events.
    private func checkKept(
        _ state: DeliveryState, _ owners: Set<UInt64>, _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var bytes: UInt64 = 0
        var payloads: Set<UInt64> = []
        try visit(tables.payloads, &check, in: transaction) { key, value, check in
            guard let number = key else { return check.report("The key of a payload cannot be read.") }
            if !isIntact(value) || PayloadRecord.decode(value, at: number) == nil {
                check.report("Payload \(number) is damaged.")
            }
            if number >= state.nextPayload {
                check.report("Payload \(number) has a number above the last one assigned.")
            }
            payloads.insert(number)
            bytes += UInt64(value.byteCount)
        }
        var lines: [UInt64: UInt64] = [:]
        try visit(tables.attempts, &check, in: transaction) { key, value, check in
            bytes += UInt64(value.byteCount)
            guard let number = key, let record = AttemptRecord(value), record.number == number, isIntact(value) else {
                return check.report("A log entry cannot be read.")
            }
            if number >= state.nextLog {
                check.report("Log entry \(number) has a number above the last one assigned.")
            }
            if !owners.contains(record.destination) {
                check.report(
                    "Log entry \(number) belongs to destination \(record.destination), which does not exist.")
            }
            lines[number] = record.destination
        }
        var indexed = 0
        try visit(tables.attemptIndex, &check, in: transaction) { key, _, check in
            guard let key, lines[key.number] == key.owner else {
                return check.report("An entry of the index of the log refers to no log entry.")
            }
            indexed += 1
        }
        if indexed != lines.count {
            check.report("The index of the log has \(indexed) entries for \(lines.count) log entries.")
        }
        try checkLost(lines, &check, in: transaction)
        if bytes != state.bytes {
            check.report(
                "The state of deliveries counts \(state.bytes) bytes of payloads and log entries, but there are \(bytes)."
            )
        }
        try visit(tables.eventIDs, &check, in: transaction) { key, value, check in
            guard let key, let payload = EventIDRecord.decode(value, at: key)?.payload else {
                return check.report("The record of an event's id cannot be read.")
            }
            if !payloads.contains(payload) {
                check.report("An event's id refers to payload \(payload), which does not exist.")
            }
        }
    }

    /// - Parameter lines: the destination of each log entry, by the entry's number.
    private func checkLost(
        _ lines: [UInt64: UInt64], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var expected: [UInt64: UInt64] = [:]
        try visit(tables.lostPayloads, &check, in: transaction) { key, value, check in
            guard let key, let lost = LostPayload(value) else {
                return check.report("The record of a lost payload cannot be read.")
            }
            let (destination, payload) = (key.owner, key.number)
            guard !lost.isOnItsWay else { return }
            for line in lost.lines {
                if lines[line.number] != destination {
                    check.report(
                        "Payload \(payload) is recorded as given up by log entry \(line.number), which does not exist.")
                }
                expected[line.number] = payload
            }
        }
        try visit(tables.lostLines, &check, in: transaction) { key, value, check in
            guard let key, let payload = NumberRecord.decode(value, at: key),
                expected.removeValue(forKey: key.number) == payload
            else { return check.report("An entry of the index of lost payloads refers to no lost payload.") }
        }
        if !expected.isEmpty {
            check.report("\(expected.count) log entries are missing from the index of lost payloads.")
        }
    }

    private func checkWebhookRecords(
        _ destinations: [UInt64: Destination], _ states: [UInt64: DestinationState], _ check: inout StoreCheck,
        in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var webhooks: [Webhook] = []
        try visit(tables.webhooks, &check, in: transaction) { key, value, check in
            guard let number = key else { return check.report("The key of a webhook cannot be read.") }
            guard let destination = destinations[number], let state = states[number] else {
                return check.report("Webhook \(number) has no destination.")
            }
            guard let webhook = WebhookRecord(value)?.webhook(destination, state) else {
                return check.report("The record of webhook \(number) cannot be read.")
            }
            check.countWebhook()
            webhooks.append(webhook)
        }
        for webhook in webhooks {
            let number = webhook.destination.number
            if try webhookNumber(webhook.id, in: transaction) != number {
                check.report("Webhook \(number) is missing from the index of ids.")
            }
            // A webhook has none if the keys of its environment were left out of an import.
            if let keyring = webhook.destination.keyring,
                try tables.environments.readable(at: webhook.environment, in: transaction)?.keyring != keyring
            {
                check.report("Webhook \(number) has other keys than its environment.")
            }
            let key = Owned(webhook.environment, number)
            let events = try tables.environmentWebhooks.value(at: key, in: transaction)
            if events != webhook.events {
                check.report("The index of environments has other events for webhook \(number) than its record.")
            }
        }
        try checkIndex(tables.webhookIDs, "index of ids", for: webhooks.count, "webhooks", &check, in: transaction)
        try checkIndex(
            tables.environmentWebhooks, "index of environments", for: webhooks.count, "webhooks", &check,
            in: transaction)
    }
}
