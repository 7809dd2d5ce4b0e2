internal import LMDB

/// What matching passes over, as its record cannot be read.
package enum MatchingFault: Hashable, Sendable {
    case event(UInt64)
    /// Or what it needs to be delivered to.
    case subscription(UInt64)
    /// By its subscription.
    case replay(UInt64)
}

/// What was found that cannot be read: each is told once, and events are not read again.
struct MatchingFaults {
    private var known: Set<MatchingFault> = []
    private var untold: [MatchingFault] = []

    mutating func note(_ fault: MatchingFault) {
        if known.insert(fault).inserted { untold.append(fault) }
    }

    func contains(_ fault: MatchingFault) -> Bool { known.contains(fault) }

    mutating func takeUntold() -> [MatchingFault] {
        defer { untold = [] }
        return untold
    }
}

extension MappedStore {
    /// What matching has found since the last time that cannot be read. It stays in the store, where a check tells of it.
    package func takeMatchingFaults() -> [MatchingFault] { matchingFaults.takeUntold() }

    /// What was read; `nil` where a record could not be, which is noted.
    func noting<Result>(
        _ fault: MatchingFault, _ body: () throws(LMDBError) -> Result
    ) throws(LMDBError) -> Result? {
        do throws(LMDBError) { return try body() } catch {
            guard error.isRecordDamage else { throw error }
            matchingFaults.note(fault)
            return nil
        }
    }
}
