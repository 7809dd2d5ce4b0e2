internal import LMDB
internal import Linux
internal import Storage
internal import Synchronization
internal import SystemPackage

/// Makes checkpoints, and moves this process's anchors: in a thread of its own, and at once where a caller waits for it.
final class Upkeep: Sendable {
    let shared: SharedState
    let anchors: Anchors
    private let access: EnvironmentAccess
    private let journal: JournalFile
    private let store: FileDescriptor
    private let pageBytes: Int
    private let limits: Limits
    private let isEnding = Atomic<Bool>(false)
    private let trouble = Mutex(CheckpointTrouble())

    /// When a checkpoint is due.
    struct Limits: Sendable {
        /// Bytes of pages since the last one.
        var pageBytes: Int
        /// Time since the last one, if anything was committed.
        var microseconds: Int64 = 5_000_000
    }

    private static let pauseMilliseconds = 1000
    /// How often one of all processes looks for old readers.
    private static let readersMicroseconds: Int64 = 250_000
    /// Changed pages are handed to the disk in portions of this size. If they all had to be written at the checkpoint, they
    /// would delay the journal's syncs meanwhile.
    private static let portionBytes: UInt64 = 8 << 20

    init(
        _ shared: SharedState, _ access: EnvironmentAccess, _ anchors: Anchors, _ journal: JournalFile,
        store: FileDescriptor, pageBytes: Int, _ limits: Limits
    ) {
        self.shared = shared
        self.access = access
        self.anchors = anchors
        self.journal = journal
        self.store = store
        self.pageBytes = pageBytes
        self.limits = limits
    }

    // MARK: The thread

    /// Works until `end`.
    /// - Parameter onFailure: called if something fails that the thread which uses the store has to know of.
    func run(onFailure: () -> Void) {
        var hasTold = false
        while !isEnding.load(ordering: .acquiring) {
            let seen = shared.news
            if shared.isBroken, !hasTold {
                hasTold = true
                onFailure()
            }
            do throws(LMDBError) {
                try anchors.advance(to: shared.checkpoint)
                if isDue, try checkpoint(), note(nil) { onFailure() }
                try lookForOldReader()
            } catch {
                // The anchors stay where they are, and the next turn tries again. If another process has enlarged the map, the
                // thread of the environment has to adopt it. A failure of the disk is known to all processes already.
                if !shared.isBroken, !error.isMapResized { _ = note("\(error)") }
                onFailure()
            }
            beginWriting()
            shared.wait(while: seen, milliseconds: Self.pauseMilliseconds)
        }
    }

    private func note(_ failure: String?) -> Bool { trouble.withLock { $0.note(failure) } }

    /// What is new about failures of this process's checkpoints; `nil` if nothing is.
    func takeNews() -> CheckpointNews? { trouble.withLock { $0.takeNews() } }

    func end() {
        isEnding.store(true, ordering: .releasing)
        shared.wake()
    }

    /// Publishes which reader keeps the most pages from being used again, if it is older than the last checkpoint, which keeps
    /// pages itself. Readers that have died no longer do.
    private func lookForOldReader() throws(LMDBError) {
        let look = UInt64(SystemClock.bootTimeMicroseconds() / Self.readersMicroseconds)
        guard shared.takeReaderLook(look) else { return }
        var found: OldReader?
        if olderReader != nil {
            try access.sweepDeadReaders()
            if let reader = olderReader {
                let pages = try access.pagesFreed(since: reader.transaction)
                found = OldReader(processID: reader.processID, bytes: pages * pageBytes)
            }
        }
        shared.oldReader = found
    }

    private var olderReader: Reader? { access.oldestReader().flatMap { $0.transaction < anchors.id ?? 0 ? $0 : nil } }

    private var isDue: Bool {
        let (committed, checkpoint) = (shared.committed, shared.checkpoint)
        guard !shared.isBroken, committed > checkpoint || shared.wanted > checkpoint else { return false }
        return shared.wanted > checkpoint || hasWrittenMuch
            || SystemClock.bootTimeMicroseconds() - shared.checkpointedAt >= limits.microseconds
    }

    private var hasWrittenMuch: Bool {
        shared.writtenBytes &- shared.checkpointBytes >= UInt64(limits.pageBytes)
    }

    /// Whether so much was written since the last checkpoint or portion that the thread should look.
    /// - Parameters:
    ///   - before: `writtenBytes` before a commit.
    ///   - after: the same after it.
    func isWorthALook(_ before: UInt64, _ after: UInt64) -> Bool {
        before / Self.portionBytes != after / Self.portionBytes
            || before / UInt64(limits.pageBytes) != after / UInt64(limits.pageBytes)
    }

    private func beginWriting() {
        if shared.takePortion(shared.writtenBytes / Self.portionBytes) { Files.beginWriting(store) }
    }

    // MARK: Checkpoints

    /// Makes a checkpoint of what is committed now. The calling thread must not have a transaction open.
    /// - Returns: false if another process is making one, or writing has failed.
    func checkpoint() throws(LMDBError) -> Bool {
        guard !shared.isBroken else { return false }
        let lock: FileLock
        // Not the journal itself: a lock creates its file.
        let path = journal.path.removingLastComponent().appending("store.checkpoint.lock")
        do throws(Errno) { lock = try FileLock(path, exclusive: true) } catch {
            guard error == .wouldBlock else { throw LMDBError(code: error.rawValue, function: "flock") }
            return false
        }
        defer { withExtendedLifetime(lock) {} }
        let start = SystemClock.bootTimeMicroseconds()
        let written = shared.writtenBytes
        let (snapshot, meta) = try access.withoutWriters { () throws(LMDBError) in
            let snapshot = try access.snapshot()
            return (snapshot, try readMeta(of: snapshot.id))
        }
        do throws(Errno) {
            guard var record = try journal.record() else { throw .ioError }
            // Pages first: the record says that they are on the disk.
            try Files.synchronizeData(store)
            record.sequence = shared.sequence + 1
            record.transaction = snapshot.id
            record.end = try journalEnd(snapshot)
            record.meta = meta
            try journal.write(record)
            anchors.hold(snapshot)
            shared.publish(record, writtenBytes: written, microseconds: SystemClock.bootTimeMicroseconds() - start)
            return true
        } catch {
            shared.setBroken()
            throw LMDBError(code: error.rawValue, function: "checkpoint")
        }
    }

    private func journalEnd(_ snapshot: PinnedSnapshot) throws(Errno) -> JournalEnd {
        do throws(LMDBError) {
            return try snapshot.read { (transaction) throws(LMDBError) in
                try JournalEnd.value(salt: shared.salt, in: transaction)
            }
        } catch { throw .ioError }
    }

    private func readMeta(of id: UInt64) throws(LMDBError) -> [UInt8] {
        do throws(Errno) {
            for page in [Int(id & 1), 1 - Int(id & 1)] {
                let meta = try Files.read(
                    MetaPage.byteCount, of: store, at: page * pageBytes + MetaPage.offset)
                if MetaPage.isValid(meta), MetaPage.transaction(meta) == id { return meta }
            }
        } catch {
            throw LMDBError(code: error.rawValue, function: "pread")
        }
        throw .damaged("the store's meta page")
    }

    /// Makes a checkpoint that contains a transaction, or waits until another process has made one.
    /// - Throws: also if writing to the disk has failed.
    func reach(_ id: UInt64) throws(LMDBError) {
        while shared.checkpoint < id {
            let seen = shared.news
            if shared.isBroken { throw LMDBError.diskFailure("checkpoint") }
            if try checkpoint() { continue }
            guard shared.checkpoint < id else { return }
            shared.wait(while: seen, milliseconds: 50)
        }
    }
}
