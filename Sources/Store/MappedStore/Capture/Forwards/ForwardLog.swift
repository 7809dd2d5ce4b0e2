internal import Capture
internal import LMDB
internal import Values

/// The forwards of all endpoints: the record of an endpoint, then its forwards; the notifications that pending ones send; and
/// the pending ones by their lane and the time of the next attempt.
struct ForwardLog: Sendable {
    let forwardings: HeadTable<ForwardingRecord>
    let contents: BoundedLog<NotificationRecord>
    let pending: KeyTable<PendingForwardKey>
    /// Each lane with pending forwards has one entry.
    let heads: KeyTable<ForwardHead>

    /// By endpoint number and the number of the forward, in the table of `forwardings`.
    var forwards: BoundedLog<ForwardRecord> {
        BoundedLog(table: RecordTable(forwardings.name, forwardings.bytes))
    }

    func forward(
        _ number: UInt64, of endpoint: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Forward? {
        try forwards.table.readable(at: OwnedNumber(endpoint, number), in: transaction)
    }

    /// The first pending forward of a lane.
    func first(of lane: ForwardLane, in transaction: borrowing Transaction) throws(LMDBError) -> PendingForwardKey? {
        var first: PendingForwardKey?
        try pending.scanKeys(from: .first(of: lane), in: transaction) { key in
            if key.lane == lane { first = key }
            return false
        }
        return first
    }

    /// Changes the pending forwards of a lane, and then the entry of the lane.
    private func change(
        _ lane: ForwardLane, in transaction: inout Transaction,
        _ body: (inout Transaction) throws(LMDBError) -> Void
    ) throws(LMDBError) {
        let before = try first(of: lane, in: transaction).map { ForwardHead($0) }
        try body(&transaction)
        let after = try first(of: lane, in: transaction).map { ForwardHead($0) }
        guard before != after else { return }
        if let before { try heads.remove(before, in: &transaction) }
        if let after { try heads.put(after, in: &transaction) }
    }

    /// Writes a forward, and lists it if it is pending.
    /// - Parameter before: the forward as it is stored; `nil` if it is new.
    func put(
        _ forward: Forward, replacing before: Forward?, of endpoint: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        let lane = ForwardLane(endpoint, forward.url)
        func key(_ forward: Forward?) -> PendingForwardKey? {
            guard let forward, forward.state == .pending else { return nil }
            return PendingForwardKey(lane, forward.due, forward.number)
        }
        let (old, new) = (key(before), key(forward))
        if old != new {
            try change(lane, in: &transaction) { (transaction) throws(LMDBError) in
                if let old { try pending.remove(old, in: &transaction) }
                if let new { try pending.put(new, in: &transaction) }
            }
        }
        try forwards.table.put(forward, at: OwnedNumber(endpoint, forward.number), in: &transaction)
    }

    /// Removes an entry whose forward is not pending at that time.
    func unlist(_ key: PendingForwardKey, in transaction: inout Transaction) throws(LMDBError) {
        try change(key.lane, in: &transaction) { (transaction) throws(LMDBError) in
            try pending.remove(key, in: &transaction)
        }
    }

    /// The pending forwards of an endpoint.
    func pending(
        of endpoint: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [PendingForwardKey] {
        var keys: [PendingForwardKey] = []
        try pending.scanKeys(from: .first(of: endpoint), in: transaction) { key in
            guard key.lane.endpoint == endpoint else { return false }
            keys.append(key)
            return true
        }
        return keys
    }

    /// Removes all that an endpoint has.
    func remove(of endpoint: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        var last: ForwardLane?
        for key in try pending(of: endpoint, in: transaction) {
            if key.lane != last { try heads.remove(ForwardHead(key), in: &transaction) }
            last = key.lane
            try pending.remove(key, in: &transaction)
        }
        try contents.remove(of: endpoint, from: 0, to: .max, in: &transaction)
        try forwards.remove(of: endpoint, from: 0, to: .max, in: &transaction)
        try forwardings.remove(endpoint, in: &transaction)
    }

    /// What the records of an endpoint add up to.
    func counted(of endpoint: UInt64, in transaction: borrowing Transaction) throws(LMDBError) -> Forwarding {
        var forwarding = Forwarding()
        try forwards.scan(of: endpoint, from: 0, to: .max, in: transaction) { key, record in
            forwarding.next = key.number + 1
            forwarding.count += 1
            if ForwardRecord.decode(record, at: key)?.state == .pending { forwarding.pending += 1 }
            return true
        }
        try contents.scan(of: endpoint, from: 0, to: .max, in: transaction) { _, record in
            forwarding.bytes += UInt64(record.byteCount)
            return true
        }
        return forwarding
    }
}
