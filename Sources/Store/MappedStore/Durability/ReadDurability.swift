internal import Linux
internal import Values

/// How a process that only reads waits until what it has read is durable. It cannot make it durable itself: the processes
/// that write do.
struct ReadDurability {
    let shared: SharedState

    /// What was committed is durable after a moment, as a response waits for it. Only the last commits of a busy service are
    /// not, and those that nobody waits for.
    private static let patienceMicroseconds: Int64 = 100_000
    private static let waitMicroseconds: Int64 = 30_000_000
    private static let pauseMicroseconds: UInt32 = 2000

    /// Waits until a transaction is durable, as far as DURABILITY asks for it.
    func flush(_ ticket: UInt64) throws(StoreFailure) {
        guard shared.isJournaled else { return }
        let start = SystemClock.bootTimeMicroseconds()
        var hasAsked = false
        while shared.durable < ticket {
            guard !shared.isBroken else {
                throw .unavailable("writing to the store or its journal failed; what was read last may be lost")
            }
            let waited = SystemClock.bootTimeMicroseconds() - start
            guard waited < Self.waitMicroseconds else {
                throw .unavailable("the service does not make durable what was read last; try again")
            }
            if waited >= Self.patienceMicroseconds, !hasAsked {
                hasAsked = true
                shared.want(ticket)
            }
            SystemClock.sleep(microseconds: Self.pauseMicroseconds)
        }
    }
}
