internal import LMDB
internal import Linux
internal import Storage
internal import SystemPackage
internal import Values

/// The room of a store's file: what may still be written, and how a full store goes on.
extension StoreCore {
    /// Admits so many more bytes to the open transaction. Returns false if there is no room: the caller must not write
    /// them.
    ///
    /// Room is what the file may still grow by, plus the free pages inside it that no reader sees.
    /// - Parameters:
    ///   - largest: size of the largest single value among them; `nil`: they are one value.
    ///   - leaving: bytes that must stay free, for operations that may use the last of the room.
    func admit(
        bytes: Int, largest: Int? = nil, leaving: Int = DiskReserve.deliveryBytes,
        in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        // Another engine says at the commit whether there is room.
        guard let file else { return true }
        let environment = file.environment
        // A record needs its own pages, those of the trees above it, and copies of these. The first record of a turn adds
        // 32 pages that the turn's other records share.
        let pageBytes = environment.pageBytes
        let growth = (bytes / pageBytes + 6) * pageBytes + (turnGrowth == 0 ? 32 * pageBytes : 0)
        let largest = min(largest ?? bytes, bytes)
        let needed = turnGrowth + growth + leaving
        func admit() -> Bool {
            turnGrowth += growth
            if largest > pageBytes / 2 { turnLargeBytes += largest + pageBytes }
            return true
        }
        if file.reserve.admits(needed, environment) { return admit() }
        // The file cannot grow by that much, but there may be room inside it.
        let left = max(0, file.reserve.left(environment))
        let wanted = max(0, needed + DiskReserve.bytes - left) / pageBytes + 1
        // A value larger than a page needs consecutive pages, at the end of the file or inside it.
        let length = largest / pageBytes + 1
        let fitsAtEnd = length == 1 || left >= turnGrowth + growth + DiskReserve.bytes / 2
        let runs = fitsAtEnd ? 0 : 1 + turnLargeBytes / (length * pageBytes)
        let free = try environment.freePages(enough: wanted, runs: runs, of: length)
        if free.usable >= wanted, free.runs >= runs { return admit() }
        // There is no room now. Forget requests that can no longer be retried, with what was kept for their retries. The
        // pages that the last transaction freed become usable after this one: if those would suffice, write something so
        // that this one is committed. Otherwise write nothing more, as each transaction needs pages itself.
        try forgetRequests(
            before: Self.forgetTime(SystemClock.realTimeMicroseconds()), limit: 64, in: &transaction)
        if free.usable + free.pending >= wanted, !transaction.hasChanged {
            try tables.touched.put((), in: &transaction)
        }
        return false
    }

    // MARK: A full store

    /// Begins a transaction in a store whose file can hardly grow: the room is in the pages that it does not use. Those that
    /// the last checkpoint still needs are made usable first, if they are many.
    /// - Parameter transaction: a write transaction that has written nothing.
    func beginInFullStore(
        _ transaction: consuming Transaction, _ file: MappedFile
    ) throws(LMDBError) -> Transaction {
        var held: Transaction? = consume transaction
        let environment = file.environment
        var free = try environment.freePages(enough: Self.amplePages)
        if let durability, Self.isWorthReleasing(free), SystemClock.bootTimeMicroseconds() >= file.releasesAgainAt {
            held = nil
            try releasePages(durability, environment)
            held = try environment.beginWrite()
            free = try environment.freePages(enough: Self.amplePages)
            // It was in vain if a reader still sees the pages.
            if Self.isWorthReleasing(free) {
                file.releasesAgainAt = SystemClock.bootTimeMicroseconds() + Self.releasePauseMicroseconds
            }
        }
        // Even a full store must keep the pages that its next change needs.
        let wanted = (Self.smallestRoom - max(0, file.reserve.left(environment))) / environment.pageBytes
        let suffices = free.usable >= wanted || (free.usable >= Self.fewPages && free.usable + free.pending >= wanted)
        guard suffices || file.reserve.admits(0, environment), let held = held.take() else { throw .full }
        return held
    }

    /// Room in which no transaction of ordinary size can get stuck.
    static let ampleRoom = 4 << 20
    private static let amplePages = 4096
    /// Bytes that a transaction that frees room may need, for copies of the pages that it changes.
    private static let smallestRoom = 256 << 10
    /// Pages needed by a transaction that changes one record.
    private static let fewPages = 16
    private static let releasePauseMicroseconds: Int64 = 200_000

    private static func isWorthReleasing(_ free: FreePages) -> Bool { free.pending >= max(fewPages, free.usable / 4) }

    /// Makes pages usable that the last checkpoint still needs. No transaction may be open.
    private func releasePages(_ durability: Durability, _ environment: Environment) throws(LMDBError) {
        // Pages that a transaction has freed are usable after a checkpoint of a later one.
        for _ in 0..<2 {
            var transaction = try environment.beginWrite()
            try durability.begin(&transaction)
            do throws(LMDBError) {
                try tables.touched.put((), in: &transaction)
                try finish(transaction)
            } catch {
                guard error.isFull else { throw error }
            }
            try durability.releasePages()
        }
    }
}
