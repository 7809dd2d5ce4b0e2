package import Capture
internal import LMDB
package import Values

/// Confirmations: a table has all of them by endpoint, and another one those that are pending by the time of the next call.
extension MappedCapture: ConfirmationStore {
    package func nextConfirmation() throws(StoreFailure) -> Timestamp? {
        try read { (transaction) throws(LMDBError) in try firstDue(in: transaction)?.due }
    }

    package func beginConfirmation(
        leaseSeconds: Double, at moment: Moment
    ) throws(StoreFailure) -> PendingConfirmation? {
        try write { (transaction) throws(LMDBError) in
            while let first = try firstDue(in: transaction), first.due <= moment.steady {
                try tables.dueConfirmations.remove(first, in: &transaction)
                let found = try sparing("a confirmation of endpoint \(first.key.endpoint)") { () throws(LMDBError) in
                    try tables.confirmations.value(at: first.key, in: transaction)
                }
                // An entry of another time is left from an earlier state of the confirmation.
                guard var confirmation = found, confirmation.state == .pending, confirmation.due == first.due else {
                    continue
                }
                confirmation.begin(leaseSeconds: leaseSeconds, at: moment)
                try put(confirmation, of: first.key.endpoint, in: &transaction)
                return PendingConfirmation(endpoint: first.key.endpoint, confirmation: confirmation)
            }
            return nil
        }
    }

    package func conclude(
        _ pending: PendingConfirmation, _ result: ConfirmationResult, at moment: Moment
    ) throws(StoreFailure) -> Confirmation? {
        try write { (transaction) throws(LMDBError) in
            let key = ConfirmationKey(pending.endpoint, pending.confirmation.id)
            guard var confirmation = try tables.confirmations.readable(at: key, in: transaction) else { return nil }
            try unlist(confirmation, of: pending.endpoint, in: &transaction)
            confirmation.conclude(result, at: moment)
            try put(confirmation, of: pending.endpoint, in: &transaction)
            return confirmation
        }
    }

    private func firstDue(in transaction: borrowing Transaction) throws(LMDBError) -> DueConfirmation? {
        var first: DueConfirmation?
        try tables.dueConfirmations.scanKeys(in: transaction) { key in
            first = key
            return false
        }
        return first
    }

    // MARK: Steps of other operations

    /// Roughly the bytes of a confirmation in both tables.
    static func bytes(of confirmation: Confirmation) -> Int { confirmation.url.utf8.count + 512 }

    /// Begins a confirmation, unless it is pending or confirmed already.
    /// - Returns: false if too many are pending.
    func begin(
        _ confirmation: Confirmation, of endpoint: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        let key = ConfirmationKey(endpoint, confirmation.id)
        let known = try tables.confirmations.readable(at: key, in: transaction)
        if let known, known.state != .failed { return true }
        let all = try confirmations(of: endpoint, in: transaction)
        let ended = all.filter { $0.state != .pending }
        guard all.count - ended.count < ConfirmationLimits.pendingPerEndpoint,
            try tables.dueConfirmations.count(in: transaction) < ConfirmationLimits.pending
        else { return false }
        if known == nil, all.count >= ConfirmationLimits.perEndpoint,
            let oldest = ended.min(by: { $0.at < $1.at })
        {
            try tables.confirmations.remove(ConfirmationKey(endpoint, oldest.id), in: &transaction)
        }
        try put(confirmation, of: endpoint, in: &transaction)
        return true
    }

    /// Gives up what is pending at an endpoint.
    func endConfirmations(
        of endpoint: UInt64, _ reason: String, at moment: Moment, in transaction: inout Transaction
    ) throws(LMDBError) {
        for var confirmation in try confirmations(of: endpoint, in: transaction) where confirmation.state == .pending {
            try unlist(confirmation, of: endpoint, in: &transaction)
            confirmation.giveUp(reason, at: moment)
            try put(confirmation, of: endpoint, in: &transaction)
        }
    }

    /// Removes all confirmations of an endpoint.
    func removeConfirmations(of endpoint: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        var keys: [(key: ConfirmationKey, due: Timestamp?)] = []
        try tables.confirmations.scan(from: .first(of: endpoint), in: transaction) { key, confirmation in
            guard key.endpoint == endpoint else { return false }
            keys.append((key, confirmation?.due))
            return true
        }
        for (key, due) in keys {
            if let due { try tables.dueConfirmations.remove(DueConfirmation(due, key), in: &transaction) }
            try tables.confirmations.remove(key, in: &transaction)
        }
    }

    /// The readable confirmations of an endpoint.
    func confirmations(
        of endpoint: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [Confirmation] {
        var found: [Confirmation] = []
        try tables.confirmations.scan(from: .first(of: endpoint), in: transaction) { key, confirmation in
            guard key.endpoint == endpoint else { return false }
            if let confirmation { found.append(confirmation) }
            return true
        }
        return found
    }

    /// Writes a confirmation, and lists it if it is pending.
    func put(
        _ confirmation: Confirmation, of endpoint: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        let key = ConfirmationKey(endpoint, confirmation.id)
        try tables.confirmations.put(confirmation, at: key, in: &transaction)
        guard confirmation.state == .pending else { return }
        try tables.dueConfirmations.put(DueConfirmation(confirmation.due, key), in: &transaction)
    }

    private func unlist(
        _ confirmation: Confirmation, of endpoint: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        let key = ConfirmationKey(endpoint, confirmation.id)
        try tables.dueConfirmations.remove(DueConfirmation(confirmation.due, key), in: &transaction)
    }
}
