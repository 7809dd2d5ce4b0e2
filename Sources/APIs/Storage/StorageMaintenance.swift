package import Values

/// What the worker does for a store as a whole: in small steps, each of them a transaction, so that others can write between
/// two of them.
package protocol StorageMaintenance: AnyObject {
    /// Forgets requests that can no longer be tried again; writes nothing where there are none.
    /// - Returns: how many it forgot; as many as `limit` means that there may be more.
    func forgetRequests(at moment: Moment, limit: Int) async throws(StoreFailure) -> Int

    /// Removes what has lost its owner; writes nothing where there is none.
    /// - Returns: how many records it removed; as many as `limit` means that there may be more.
    func removeGarbage(limit: Int) async throws(StoreFailure) -> Int

    /// Frees what processes held that have died.
    func sweepDeadReaders() async throws(StoreFailure)

    /// Tells copies of the store that are made from now on from those before.
    func renewMark() async throws(StoreFailure)

    /// Waits until all that was committed is durable.
    func sync() async throws(StoreFailure)
}

package protocol CaptureMaintenance: AnyObject {
    /// Forgets the makers of endpoints that are gone; writes nothing where there are none.
    /// - Parameters:
    ///   - start: where to begin.
    ///   - limit: how many to look at.
    /// - Returns: where to go on; empty where all have been looked at.
    func forgetMakers(from start: [UInt8], limit: Int) async throws(StoreFailure) -> [UInt8]
}

package protocol QueueMaintenance: AnyObject {
    /// Forgets logins whose count is over; writes nothing where there are none. The parameters are those of `forgetMakers`.
    func forgetLogins(at now: Timestamp, from start: [UInt8], limit: Int) async throws(StoreFailure) -> [UInt8]
}

package protocol WebhookMaintenance: AnyObject {
    /// Removes keys that nothing was signed with for a day; writes nothing where there are none. The parameters are those of
    /// `forgetMakers`.
    /// - Parameter now: by the time of day.
    func forgetIdleKeyrings(
        at now: Timestamp, from start: [UInt8], limit: Int
    ) async throws(StoreFailure) -> [UInt8]

    /// Counts what has been left out besides what was before.
    func count(_ leftOut: IntakeMetrics) async throws(StoreFailure)
}

/// Drops what deliveries leave behind: lines of the log, and parcels that nobody waits for.
package protocol DeliveryRetention: AnyObject {
    /// Drops what is from before a time, and where there is more than `maximumBytes`, the oldest of those owners that have the
    /// most. What is still to be matched or delivered is kept. Subscriptions that lag keep nothing; they count it as missed.
    /// Writes nothing where there is nothing to drop.
    /// - Returns: how many it dropped; as many as `limit` means that there may be more.
    func dropOldDeliveries(
        before oldest: Timestamp, maximumBytes: UInt64, limit: Int
    ) async throws(StoreFailure) -> Int

    /// Drops the oldest of what is finished, so that a full store has room for what is being delivered.
    /// - Returns: how many it dropped; `limit` where there may be more, even if this step found nothing.
    func dropForRoom(limit: Int) async throws(StoreFailure) -> Int
}
