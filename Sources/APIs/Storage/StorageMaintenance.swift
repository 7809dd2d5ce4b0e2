package import Values

/// The worker's maintenance of a store as a whole, in small steps. Each step is a transaction, so that others can write in
/// between.
package protocol StorageMaintenance: AnyObject {
    /// Removes the records of requests that can no longer be retried. Writes nothing if there are none.
    /// - Returns: how many it removed; if that equals `limit`, there may be more.
    func forgetRequests(at moment: Moment, limit: Int) async throws(StoreFailure) -> Int

    /// Removes records whose owner is gone. Writes nothing if there are none.
    /// - Returns: how many records it removed; if that equals `limit`, there may be more.
    func removeGarbage(limit: Int) async throws(StoreFailure) -> Int

    /// Frees the reader slots of processes that have died.
    func sweepDeadReaders() async throws(StoreFailure)

    /// Marks the store, so that copies made from now on differ from earlier ones.
    func renewMark() async throws(StoreFailure)

    /// Writes all that was committed to the store's pages on the disk.
    func checkpoint() async throws(StoreFailure)
}

package protocol CaptureMaintenance: AnyObject {
    /// Removes the addresses recorded for endpoints that are gone. Writes nothing if there are none.
    /// - Parameters:
    ///   - start: where to begin.
    ///   - limit: how many records to look at.
    /// - Returns: where to continue; empty once all have been looked at.
    func forgetMakers(from start: [UInt8], limit: Int) async throws(StoreFailure) -> [UInt8]
}

package protocol QueueMaintenance: AnyObject {
    /// Removes login counts that have expired. Writes nothing if there are none. The parameters are those of `forgetMakers`.
    func forgetLogins(at now: Timestamp, from start: [UInt8], limit: Int) async throws(StoreFailure) -> [UInt8]
}

package protocol WebhookMaintenance: AnyObject {
    /// Removes keyrings that have not signed anything for a day. Writes nothing if there are none. The parameters are those
    /// of `forgetMakers`.
    /// - Parameter now: by the time of day.
    func forgetIdleKeyrings(
        at now: Timestamp, from start: [UInt8], limit: Int
    ) async throws(StoreFailure) -> [UInt8]

    /// Adds to the counts of events that were left out.
    func count(_ leftOut: IntakeMetrics) async throws(StoreFailure)
}

/// Removes what deliveries leave behind: log entries, and payloads that are no longer needed.
package protocol DeliveryRetention: AnyObject {
    /// Removes what is older than a time and, beyond `maximumBytes`, the oldest data of the owners that have the most.
    /// Events that are still to be matched or delivered stay. Lagging subscriptions hold nothing back; they count it as
    /// missed. Writes nothing if there is nothing to remove.
    /// - Returns: how many it removed; if that equals `limit`, there may be more.
    func dropOldDeliveries(
        before oldest: Timestamp, maximumBytes: UInt64, limit: Int
    ) async throws(StoreFailure) -> Int

    /// Removes the oldest finished data, so that a full store has room for pending deliveries.
    /// - Returns: how many it removed; `limit` if there may be more, even if this step removed nothing.
    func dropForRoom(limit: Int) async throws(StoreFailure) -> Int
}
