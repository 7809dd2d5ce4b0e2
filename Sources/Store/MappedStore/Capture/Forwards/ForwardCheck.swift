internal import Capture
internal import LMDB
internal import Values

extension MappedCapture {
    /// Checks the forwards of endpoints, and what is listed of them.
    func checkForwards(
        _ records: [UInt64: EndpointRecord], _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var found: [UInt64: Forwarding] = [:]
        var forwardings: [UInt64: Forwarding] = [:]
        var pending: Set<PendingForwardKey> = []
        var needed: Set<OwnedNumber> = []
        func checkForwarding(_ endpoint: UInt64, _ value: RawSpan, _ check: inout StoreCheck) {
            if records[endpoint] == nil {
                check.report("There are forwards of endpoint \(endpoint), which does not exist.")
            }
            guard let forwarding = ForwardingRecord.decode(value, at: endpoint) else {
                return check.report("The record of the forwards of endpoint \(endpoint) is damaged.")
            }
            forwardings[endpoint] = forwarding
        }
        func checkForward(_ key: OwnedNumber, _ value: RawSpan, _ check: inout StoreCheck) {
            found[key.owner, default: Forwarding()].count += 1
            guard let forward = ForwardRecord.decode(value, at: key) else {
                return check.report("Forward \(key.number) of endpoint \(key.owner) is damaged.")
            }
            guard let forwarding = forwardings[key.owner] else {
                return check.report("Forward \(key.number) belongs to endpoint \(key.owner), which has none.")
            }
            if key.number >= forwarding.next {
                check.report("Forward \(key.number) of endpoint \(key.owner) has a number above the last one assigned.")
            }
            guard forward.state == .pending else { return }
            found[key.owner, default: Forwarding()].pending += 1
            needed.insert(OwnedNumber(key.owner, forward.group.lowerBound))
            pending.insert(PendingForwardKey(ForwardLane(key.owner, forward.url), forward.due, key.number))
        }
        try visit(tables.forwardings.all, &check, in: transaction) { key, value, check in
            switch key {
            case .head(let endpoint): checkForwarding(endpoint, value, &check)
            case .entry(let key): checkForward(key, value, &check)
            case nil: check.report("The key of a forward cannot be read.")
            }
        }
        try visit(tables.forwardContents.table, &check, in: transaction) { key, value, check in
            guard let key else { return check.report("The key of a notification that is forwarded cannot be read.") }
            found[key.owner, default: Forwarding()].bytes += UInt64(value.byteCount)
            if !isIntact(value) || NotificationRecord.decode(value, at: key) == nil {
                check.report("The notification of forward \(key.number) of endpoint \(key.owner) is damaged.")
            }
            if needed.remove(key) == nil {
                check.report("The notification of forward \(key.number) of endpoint \(key.owner) is kept for nothing.")
            }
        }
        for key in needed {
            check.report("The notification of forward \(key.number) of endpoint \(key.owner) is missing.")
        }
        for (endpoint, forwarding) in forwardings {
            let sum = found[endpoint] ?? Forwarding()
            if (sum.count, sum.pending, sum.bytes) != (forwarding.count, forwarding.pending, forwarding.bytes) {
                check.report(
                    """
                    Endpoint \(endpoint) counts \(forwarding.count) forwards, \(forwarding.pending) of them pending with \
                    \(forwarding.bytes) bytes, but has \(sum.count), \(sum.pending) with \(sum.bytes).
                    """)
            }
        }
        try checkPending(pending, &check, in: transaction)
        for (number, record) in records
        where record.endpoint.settings.hasForwards && forwardings[number]?.urls.isEmpty != false {
            check.report("Endpoint \(number) has lost its standing forwards.")
        }
    }

    private func checkPending(
        _ pending: Set<PendingForwardKey>, _ check: inout StoreCheck, in transaction: borrowing Transaction
    ) throws(LMDBError) {
        var listed: Set<PendingForwardKey> = []
        var firsts: [ForwardLane: Timestamp] = [:]
        try visit(tables.pendingForwards, &check, in: transaction) { key, _, check in
            guard let key else { return check.report("The key of a pending forward cannot be read.") }
            listed.insert(key)
            firsts[key.lane] = min(firsts[key.lane] ?? key.due, key.due)
        }
        if listed != pending {
            check.report("\(listed.count) forwards are listed as pending, but not the \(pending.count) that are.")
        }
        var heads: [ForwardLane: Timestamp] = [:]
        var count = 0
        try visit(tables.forwardHeads, &check, in: transaction) { head, _, check in
            guard let head else { return check.report("The key of a target of forwards cannot be read.") }
            heads[head.lane] = head.due
            count += 1
        }
        if heads != firsts || count != firsts.count {
            check.report("The index of due forwards does not agree with the forwards that are pending.")
        }
    }
}
