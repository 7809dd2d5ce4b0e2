package import Capture
package import Delivery
internal import LMDB
package import Values

/// Attempts to send notifications on.
extension MappedCapture: ForwardStore {
    /// The most lanes that are looked at in one step. The next step looks at those behind them.
    private static let lanesAtOnce = 4096

    package func nextForward(after now: Timestamp) throws(StoreFailure) -> Timestamp? {
        try read { (transaction) throws(LMDBError) in
            var next: Timestamp?
            let start = ForwardHead(now.adding(seconds: 0.000_001), ForwardLane(endpoint: 0, target: 0))
            try tables.forwards.heads.scanKeys(from: start, in: transaction) { head in
                next = head.due
                return false
            }
            return next
        }
    }

    package func beginForwards(
        _ room: ForwardRoom, from position: ForwardPosition?, limit: Int, leaseSeconds: Double, at moment: Moment
    ) throws(StoreFailure) -> ForwardStarts {
        var starts = ForwardStarts()
        let due = try read { (transaction) throws(LMDBError) in
            var due: [ForwardLane] = []
            let last = position.map { ForwardHead($0.due, $0.lane) }
            try tables.forwards.heads.scanKeys(after: last, in: transaction) { head in
                guard head.due <= moment.steady else { return false }
                due.append(head.lane)
                guard due.count == Self.lanesAtOnce else { return true }
                starts.position = ForwardPosition(due: head.due, lane: head.lane)
                return false
            }
            var targets: [ForwardTarget] = []
            for lane in due where room.admits(lane, slots: 1) {
                targets.append(ForwardTarget(lane: lane, host: try host(of: lane, in: transaction)))
            }
            return targets
        }
        let order = room.order(of: due, limit: limit)
        guard !order.isEmpty else { return starts }
        var room = room
        starts.begun = try write { (transaction) throws(LMDBError) in
            var begun: [PendingForward] = []
            for target in order {
                let lane = target.lane
                guard let key = try tables.forwards.first(of: lane, in: transaction), key.due <= moment.steady else {
                    continue
                }
                let found = try tables.forwards.forward(key.number, of: lane.endpoint, in: transaction)
                guard let before = found, before.state == .pending, before.due == key.due else {
                    noteDamage("a pending forward of endpoint \(lane.endpoint) is missing: number \(key.number)")
                    try tables.forwards.unlist(key, in: &transaction)
                    continue
                }
                let content = OwnedNumber(lane.endpoint, before.group.lowerBound)
                let table = tables.forwards.contents.table
                let slots = ForwardRoom.slots(bytes: try table.part(at: content, in: transaction) { $0.byteCount } ?? 0)
                guard room.admits(target, slots: slots) else { continue }
                var forward = before
                forward.begin(leaseSeconds: leaseSeconds, at: moment)
                try tables.forwards.put(forward, replacing: before, of: lane.endpoint, in: &transaction)
                room.take(target, slots: slots)
                begun.append(
                    PendingForward(
                        target: target, forward: forward, slots: slots,
                        notification: try table.readable(at: content, in: transaction)))
            }
            return begun
        }
        return starts
    }

    /// How many hosts of lanes are remembered.
    private static let hostsKept = 4 * lanesAtOnce

    private func host(of lane: ForwardLane, in transaction: borrowing Transaction) throws(LMDBError) -> String {
        if let known = hosts[lane] { return known }
        guard let key = try tables.forwards.first(of: lane, in: transaction),
            let forward = try tables.forwards.forward(key.number, of: lane.endpoint, in: transaction)
        else { return "" }
        if hosts.count >= Self.hostsKept { hosts.removeAll(keepingCapacity: true) }
        let host = ForwardTarget.host(of: forward.url)
        hosts[lane] = host
        return host
    }

    package func conclude(
        _ pending: PendingForward, _ result: ForwardResult, _ policy: RetryPolicy, jitter: Double, at moment: Moment
    ) throws(StoreFailure) -> Forward? {
        try write { (transaction) throws(LMDBError) in
            let endpoint = pending.target.lane.endpoint
            try count(result, in: &transaction)
            guard let before = try tables.forwards.forward(pending.forward.number, of: endpoint, in: transaction),
                before.state == .pending,
                result.failure == nil || before.isBegun && before.attempts == pending.forward.attempts
            else { return nil }
            var forward = before
            forward.conclude(result, policy, jitter: jitter, at: moment)
            guard forward.state != .pending else {
                try tables.forwards.put(forward, replacing: before, of: endpoint, in: &transaction)
                return forward
            }
            var forwarding = try forwarding(number: endpoint, in: transaction)
            try end(forward, replacing: before, of: endpoint, &forwarding, in: &transaction)
            try tables.forwards.forwardings.put(forwarding, at: endpoint, in: &transaction)
            return forward
        }
    }

    private func count(_ result: ForwardResult, in transaction: inout Transaction) throws(LMDBError) {
        try changeMetrics(in: &transaction) { $0.attempts[Int(result.failure?.kind.rawValue ?? 0)] &+= 1 }
    }

    func changeMetrics(
        in transaction: inout Transaction, _ change: (inout ForwardMetrics) -> Void
    ) throws(LMDBError) {
        var record = try tables.forwardMetrics.readable(in: transaction) ?? ForwardMetricsRecord(ForwardMetrics())
        change(&record.metrics)
        try tables.forwardMetrics.put(record, in: &transaction)
    }

    /// Writes a forward that is over, and removes the content if no other forward needs it.
    func end(
        _ forward: Forward, replacing before: Forward, of endpoint: UInt64, _ forwarding: inout Forwarding,
        in transaction: inout Transaction
    ) throws(LMDBError) {
        let log = tables.forwards
        try log.put(forward, replacing: before, of: endpoint, in: &transaction)
        forwarding.pending -= min(forwarding.pending, 1)
        var isNeeded = false
        try log.forwards.scan(
            of: endpoint, from: forward.group.lowerBound, to: forward.group.upperBound, in: transaction
        ) { key, record in
            isNeeded = ForwardRecord.decode(record, at: key)?.state == .pending
            return !isNeeded
        }
        guard !isNeeded else { return }
        let first = forward.group.lowerBound
        try log.contents.remove(of: endpoint, from: first, to: first + 1, in: &transaction) { _, record in
            forwarding.bytes -= min(forwarding.bytes, UInt64(record.byteCount))
        }
    }

    package func endForwardLeases(longest leaseSeconds: Double, at moment: Moment) throws(StoreFailure) -> Int {
        // A forward in flight is due when its lease ends.
        let keys = try read { (transaction) throws(LMDBError) in
            var due: [PendingForwardKey] = []
            try tables.forwards.pending.scanKeys(in: transaction) { key in
                let left = key.due.seconds(since: moment.steady)
                if left > 0, left <= leaseSeconds + 1 { due.append(key) }
                return true
            }
            var begun: [PendingForwardKey] = []
            for key in due {
                let found = try tables.forwards.forward(key.number, of: key.lane.endpoint, in: transaction)
                if found?.isBegun == true { begun.append(key) }
            }
            return begun
        }
        guard !keys.isEmpty else { return 0 }
        return try write { (transaction) throws(LMDBError) in
            var count = 0
            for key in keys {
                guard let before = try tables.forwards.forward(key.number, of: key.lane.endpoint, in: transaction),
                    before.state == .pending, before.isBegun
                else { continue }
                var forward = before
                forward.isBegun = false
                forward.due = moment.steady
                try tables.forwards.put(forward, replacing: before, of: key.lane.endpoint, in: &transaction)
                count += 1
            }
            return count
        }
    }

    package func forwardMetrics() throws(StoreFailure) -> ForwardMetrics {
        try read { (transaction) throws(LMDBError) in
            var metrics = try tables.forwardMetrics.readable(in: transaction)?.metrics ?? ForwardMetrics()
            metrics.pending = try tables.forwards.pending.count(in: transaction)
            return metrics
        }
    }
}
