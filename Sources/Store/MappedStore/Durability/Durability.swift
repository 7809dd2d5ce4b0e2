internal import LMDB
internal import Linux
internal import Storage
internal import SystemPackage
internal import Values

/// How the commits of this process become durable, as the thread sees it that uses the store.
///
/// Commits do not wait for the disk. With `DURABILITY=disk` each one also writes its changes to the journal, and one sync of
/// the journal makes all commits before it durable. The store's own pages are written by checkpoints. The ticket of an
/// answer is the id of the transaction that it shows or has made: it may leave once that is durable.
final class Durability {
    let shared: SharedState
    private let journal: JournalFile
    private let store: FileDescriptor
    private let environment: Environment
    private let upkeep: Upkeep
    private let flusher: Flusher
    private var threads: [JoinedThread] = []
    private let log = ChangeLog()
    /// The names of the tables, by their numbers in this process.
    private let names: [UInt8: [UInt8]]
    private let journalIdentity: FileIdentity?
    /// Whether the open transaction's frame has left so little room in the journal that a checkpoint is due.
    private var isJournalFilling = false
    /// Roughly what one change adds to the pages that a commit writes.
    private static let changeBytes = 4096

    /// - Parameters:
    ///   - journal: it belongs to this object from now on, as does `store`.
    ///   - anchor: a snapshot; see `Anchors`.
    ///   - interval: bytes of pages after which a checkpoint is made.
    init(
        _ shared: SharedState, _ environment: Environment, _ journal: JournalFile, store: FileDescriptor,
        anchor: PinnedSnapshot, names: [UInt8: [UInt8]], interval: Int
    ) throws(Errno) {
        self.shared = shared
        self.environment = environment
        self.journal = journal
        self.store = store
        self.names = names
        journalIdentity = FileIdentity(of: journal.path)
        let anchors = Anchors(environment.access, first: anchor)
        upkeep = Upkeep(
            shared, environment.access, anchors, journal, store: store, pageBytes: environment.pageBytes,
            Upkeep.Limits(pageBytes: interval))
        flusher = try Flusher(shared, journal, upkeep)
    }

    /// Ends the threads, and lets go of the anchors. Must be called before the environment is closed.
    func close() {
        stop()
        // Nothing else keeps what was committed since the last checkpoint.
        if !shared.isJournaled, shared.committed > shared.checkpoint { _ = try? upkeep.checkpoint() }
        upkeep.anchors.release()
    }

    deinit {
        close()
        journal.close()
        try? store.close()
    }

    /// Starts the threads.
    func start() throws(Errno) {
        guard threads.isEmpty else { return }
        let (upkeep, flusher) = (upkeep, flusher)
        threads.append(try JoinedThread { upkeep.run(onFailure: flusher.tellNews) })
        guard shared.isJournaled else { return }
        for _ in 0..<Flusher.threadCount { threads.append(try JoinedThread { flusher.run() }) }
    }

    /// Ends the threads.
    func stop() {
        upkeep.end()
        flusher.end()
        for thread in threads { thread.join() }
        threads = []
    }

    /// Throws if writing to the disk has failed, in this process or in another one.
    func checkDisk() throws(LMDBError) {
        if shared.isBroken { throw LMDBError.diskFailure("journal") }
    }

    // MARK: Commits

    /// Prepares a transaction, before its first write.
    func begin(_ transaction: inout Transaction) throws(LMDBError) {
        try checkDisk()
        shared.requests.discard(from: transaction.id)
        guard shared.isJournaled else { return }
        // A process that has ended between its frame and its commit. A recovery would make its changes again, beside the
        // requests of this transaction.
        if case let frame = shared.lastFrame, frame.transaction == transaction.id {
            do throws(Errno) { try journal.erase(at: frame.position, ring: shared.journalBytes) } catch {
                throw LMDBError(code: error.rawValue, function: "pwrite")
            }
            shared.lastFrame = (0, 0)
        }
        log.clear(limitBytes: shared.journalBytes / 2)
        transaction.log = log
    }

    /// Writes the frame of a transaction, which must be committed next.
    /// - Returns: the frame; `nil` if the transaction has none.
    func writeFrame(of transaction: inout Transaction) throws(LMDBError) -> WrittenFrame? {
        guard transaction.log != nil else { return nil }
        transaction.log = nil
        let (salt, ring) = (shared.salt, shared.journalBytes)
        guard ring > 0, !log.isTooLong else { return goWithoutFrame(transaction.id) }
        let end = try JournalEnd.value(salt: salt, in: transaction)
        let (frame, checksum) = Frame.encoded(
            log, names: names, id: transaction.id, salt: salt, previous: end.checksum)
        let position = JournalFile.position(for: frame.count, after: end.position, ring: ring)
        guard frame.count <= ring / 2, position + UInt64(frame.count) - shared.checkpointEnd <= UInt64(ring) else {
            return goWithoutFrame(transaction.id)
        }
        try JournalEnd(position: position + UInt64(frame.count), checksum: checksum).put(salt: salt, in: &transaction)
        shared.lastFrame = (transaction.id, position)
        do throws(Errno) {
            try journal.write(frame, at: position, after: end.position, ring: ring)
        } catch {
            throw LMDBError(code: error.rawValue, function: "pwrite")
        }
        let used = position + UInt64(frame.count) - shared.checkpointEnd
        isJournalFilling = used > UInt64(ring / 3)
        return WrittenFrame(id: transaction.id, position: position, bytes: frame.count)
    }

    /// The next checkpoint makes the transaction durable instead.
    private func goWithoutFrame(_ id: UInt64) -> WrittenFrame? {
        shared.raiseUnjournaled(to: id)
        return nil
    }

    struct WrittenFrame {
        let id: UInt64
        let position: UInt64
        let bytes: Int
    }

    /// Erases the frame of a transaction that was not committed, so that a recovery does not make its changes. Another
    /// process's sync may have taken it to the disk.
    func erase(_ frame: WrittenFrame) {
        do throws(LMDBError) {
            // If another process has committed a transaction with this id, its frame has overwritten this one. That must be
            // on the disk too.
            if try !eraseLast(frame) { try flusher.flush(frame.id) }
        } catch {
            shared.setBroken()
        }
    }

    /// - Returns: false if there is a later transaction.
    private func eraseLast(_ frame: WrittenFrame) throws(LMDBError) -> Bool {
        let transaction = try environment.beginWrite()
        guard transaction.id == frame.id else { return false }
        do throws(Errno) {
            try journal.erase(at: frame.position, ring: shared.journalBytes)
            try journal.sync()
        } catch {
            throw LMDBError(code: error.rawValue, function: "pwrite")
        }
        return true
    }

    /// Notes that a transaction was committed.
    /// - Parameters:
    ///   - changes: how many changes it made.
    ///   - frameBytes: the size of its frame; 0 for none.
    func noteCommitted(_ id: UInt64, changes: Int, frameBytes: Int) {
        shared.raiseCommitted(to: id)
        if frameBytes > 0 { shared.countFrame(bytes: frameBytes) }
        let before = shared.writtenBytes
        shared.addWritten(changes * Self.changeBytes + frameBytes)
        if isJournalFilling, shared.wanted == 0 { shared.want(id) }
        isJournalFilling = false
        if upkeep.isWorthALook(before, shared.writtenBytes) { shared.wake() }
    }

    // MARK: Tickets

    /// Whether a transaction is durable, as far as DURABILITY asks for it.
    func isDurable(_ ticket: UInt64) -> Bool { !shared.isJournaled || shared.durable >= ticket }

    /// Makes a transaction durable, and waits for it.
    func flush(_ ticket: UInt64) throws(LMDBError) {
        if !isDurable(ticket) { try flusher.flush(ticket) }
    }

    /// Makes a transaction durable, at once or later; then `descriptor` becomes readable.
    func beginFlush(_ ticket: UInt64) throws(LMDBError) {
        try checkDisk()
        if !isDurable(ticket) { try flusher.begin(ticket) }
    }

    var descriptor: FileDescriptor { flusher.descriptor }

    func takeNews() { flusher.takeNews() }

    // MARK: Checkpoints

    /// Makes a checkpoint of all that is committed, and waits for it. No transaction of this thread may be open.
    func checkpoint() throws(LMDBError) {
        try upkeep.reach(max(shared.committed, environment.lastVisibleTransactionID()))
    }

    /// Makes a checkpoint, and waits a moment for other processes to let go of older pages, so that these can be used again.
    func releasePages() throws(LMDBError) {
        try checkpoint()
        let target = shared.checkpoint
        try upkeep.anchors.advance(to: target)
        for _ in 0..<Self.releaseLooks {
            guard let oldest = environment.oldestReader(), oldest < target else { return }
            SystemClock.sleep(microseconds: 1000)
        }
    }

    private static let releaseLooks = 50

    func takeCheckpointNews() -> CheckpointNews? { upkeep.takeNews() }

    /// Waits until a checkpoint has reached the snapshot that this process holds: it may write from then on.
    func reachAnchor() throws(LMDBError) { try upkeep.reach(upkeep.anchors.id ?? 0) }

    /// Whether the store can be used no longer: its disk has failed, or the journal's file is not there.
    var failure: StoreFailure? {
        shared.isBroken ? .lost("writing to the store or its journal failed") : fileFailure
    }

    /// A failure if the journal's file was removed or replaced.
    var fileFailure: StoreFailure? {
        guard shared.isJournaled, FileIdentity(of: journal.path) != journalIdentity else { return nil }
        return .lost("\(journal.path) was removed or replaced while it was in use")
    }

    // MARK: Closing

    /// Makes a last checkpoint and removes the store's link: the store's file is then complete without the journal. No other
    /// process may have the store open, and nothing may be written afterwards.
    func detach() throws(LMDBError) {
        stop()
        try checkpoint()
        do throws(Errno) { try StoreLink.remove(in: store) } catch {
            throw LMDBError(code: error.rawValue, function: "pwrite")
        }
    }
}
