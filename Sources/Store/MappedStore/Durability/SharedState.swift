internal import Linux
internal import Storage
internal import SystemPackage

/// What the processes that have the store open tell each other, in memory that they share.
///
/// The file `store.shared` beside the store holds it. Its content counts only while a process has the store open: who opens
/// the store alone sets all of it (`reset`).
struct SharedState: Sendable {
    private let numbers: SharedNumbers
    let requests: RequestMemory

    private enum Index: Int, CaseIterable {
        case format, committed, durable, checkpoint, checkpointEnd, unjournaled, broken, journaled, salt, sequence
        case journalBytes, writtenBytes, checkpointBytes, checkpointedAt, wanted, news
        case syncs, syncMicroseconds, frames, frameBytes, checkpoints, checkpointMicroseconds
        case begunPortion, oldReader, readerLook, frameTransaction, framePosition, nextSalt
    }

    /// Raised when the meaning of the numbers changes.
    private static let format: UInt64 = 0x706f_7374_0003

    /// Some more than there are now, so that a later version can add some.
    private static let count = 64

    static func path(in directory: FilePath) -> FilePath { directory.appending("store.shared") }

    init(in directory: FilePath) throws(Errno) {
        numbers = try SharedNumbers(
            file: Self.path(in: directory), count: Self.count + RequestMemory.headerNumbers,
            mapped: Self.count + RequestMemory.numberCount)
        requests = RequestMemory(numbers, at: Self.count)
    }

    private subscript(_ index: Index) -> UInt64 {
        get { numbers[index.rawValue] }
        nonmutating set { numbers[index.rawValue] = newValue }
    }

    /// Whether the numbers are those of this version.
    var isKnown: Bool { self[.format] == Self.format }

    /// Begins anew, from a record that is on the disk. The remembered requests stay.
    func reset(_ record: CheckpointRecord) {
        for index in Index.allCases { self[index] = 0 }
        self[.committed] = record.transaction
        self[.durable] = record.transaction
        self[.checkpoint] = record.transaction
        self[.checkpointEnd] = record.end.position
        self[.journaled] = record.isJournaled ? 1 : 0
        self[.salt] = record.salt
        self[.sequence] = record.sequence
        self[.journalBytes] = UInt64(record.journalBytes)
        self[.checkpointedAt] = UInt64(SystemClock.bootTimeMicroseconds())
        self[.format] = Self.format
    }

    /// Begins to open the store with a record that is about to be written. If the process ends before `reset`, the requests
    /// are known to be of the store whose record has either salt.
    func prepare(_ record: CheckpointRecord) { self[.nextSalt] = record.salt }

    /// Keeps the remembered requests if they are of the store that a record is of.
    /// - Parameter last: the last transaction that the store has.
    /// - Returns: false if they are of another store.
    func keepRequests(of record: CheckpointRecord, last: UInt64) -> Bool {
        let salts = [record.salt, record.formerSalt].filter { $0 != 0 }
        guard isKnown, salts.contains(salt) || salts.contains(self[.nextSalt]) else { return false }
        self[.salt] = record.salt
        requests.discard(from: last + 1)
        return true
    }

    /// Whether commits go through the journal (`DURABILITY=disk`).
    var isJournaled: Bool { self[.journaled] != 0 }
    /// The number that the journal's frames have, so that those of an earlier opening of the store are not taken for them.
    var salt: UInt64 { self[.salt] }
    var journalBytes: Int { Int(self[.journalBytes]) }

    /// The highest id of a transaction that is known to be committed.
    var committed: UInt64 { self[.committed] }
    func raiseCommitted(to id: UInt64) { numbers.raise(at: Index.committed.rawValue, to: id) }

    /// The highest id of a transaction that no crash can undo, nor any before it.
    var durable: UInt64 { self[.durable] }
    func raiseDurable(to id: UInt64) { numbers.raise(at: Index.durable.rawValue, to: id) }

    /// The transaction of the last checkpoint.
    var checkpoint: UInt64 { self[.checkpoint] }
    /// Where the journal ended at the last checkpoint.
    var checkpointEnd: UInt64 { self[.checkpointEnd] }
    var sequence: UInt64 { self[.sequence] }
    /// When the last checkpoint was made, by `SystemClock.bootTimeMicroseconds`.
    var checkpointedAt: Int64 { Int64(self[.checkpointedAt]) }

    /// Publishes a checkpoint, whose record is on the disk.
    /// - Parameter writtenBytes: the value of `writtenBytes` when it was begun.
    func publish(_ record: CheckpointRecord, writtenBytes: UInt64, microseconds: Int64) {
        self[.checkpointBytes] = writtenBytes
        self[.sequence] = record.sequence
        numbers.raise(at: Index.checkpointEnd.rawValue, to: record.end.position)
        numbers.raise(at: Index.checkpoint.rawValue, to: record.transaction)
        raiseDurable(to: record.transaction)
        self[.checkpointedAt] = UInt64(SystemClock.bootTimeMicroseconds())
        numbers.add(at: Index.checkpoints.rawValue)
        numbers.add(UInt64(microseconds), at: Index.checkpointMicroseconds.rawValue)
        if self[.wanted] <= record.transaction { self[.wanted] = 0 }
        wake()
    }

    /// The highest id of a transaction that has no frame in the journal. Until a checkpoint contains it, no later
    /// transaction can be made durable by the journal.
    var unjournaled: UInt64 { self[.unjournaled] }
    func raiseUnjournaled(to id: UInt64) { numbers.raise(at: Index.unjournaled.rawValue, to: id) }

    /// Whether writing to the disk has failed. Then no process acknowledges anything, all end, and the next start recovers.
    var isBroken: Bool { self[.broken] != 0 }
    func setBroken() {
        self[.broken] = 1
        wake()
    }

    /// Bytes of the store's pages that were written since the store was opened, roughly.
    var writtenBytes: UInt64 { self[.writtenBytes] }
    /// The same when the last checkpoint was begun.
    var checkpointBytes: UInt64 { self[.checkpointBytes] }
    func addWritten(_ bytes: Int) { numbers.add(UInt64(bytes), at: Index.writtenBytes.rawValue) }

    /// The frame that was written last: its transaction and where it is. The process may have ended before it committed.
    var lastFrame: (transaction: UInt64, position: UInt64) {
        get { (self[.frameTransaction], self[.framePosition]) }
        nonmutating set {
            self[.frameTransaction] = 0
            self[.framePosition] = newValue.position
            self[.frameTransaction] = newValue.transaction
        }
    }

    /// Whether the caller is the first of all processes to say that the pages of a portion are handed to the disk.
    func takePortion(_ number: UInt64) -> Bool { numbers.raise(at: Index.begunPortion.rawValue, to: number) }

    /// The transaction that a checkpoint is wanted for at once; 0 for none.
    var wanted: UInt64 { self[.wanted] }
    func want(_ id: UInt64) {
        numbers.raise(at: Index.wanted.rawValue, to: id)
        wake()
    }

    /// The reader that keeps the most pages from being used again; `nil` if none keeps more than the last checkpoint does.
    var oldReader: OldReader? {
        get { OldReader(packed: self[.oldReader]) }
        nonmutating set { self[.oldReader] = newValue?.packed ?? 0 }
    }

    /// Whether the caller is the first of all processes to make a look for old readers.
    func takeReaderLook(_ number: UInt64) -> Bool { numbers.raise(at: Index.readerLook.rawValue, to: number) }

    // MARK: News

    /// Changes with each `wake`.
    var news: UInt64 { self[.news] }

    /// Has the threads that wait in `wait`, of all processes, look again.
    func wake() { numbers.wake(at: Index.news.rawValue) }

    /// Waits for a `wake` since `news` was `seen`.
    func wait(while seen: UInt64, milliseconds: Int) {
        numbers.wait(at: Index.news.rawValue, while: seen, milliseconds: milliseconds)
    }

    // MARK: Counts

    func countSync(microseconds: Int64) {
        numbers.add(at: Index.syncs.rawValue)
        numbers.add(UInt64(microseconds), at: Index.syncMicroseconds.rawValue)
    }

    func countFrame(bytes: Int) {
        numbers.add(at: Index.frames.rawValue)
        numbers.add(UInt64(bytes), at: Index.frameBytes.rawValue)
    }

    var metrics: DurabilityMetrics {
        var metrics = DurabilityMetrics()
        metrics.syncs = self[.syncs]
        metrics.syncMicroseconds = self[.syncMicroseconds]
        metrics.frames = self[.frames]
        metrics.frameBytes = self[.frameBytes]
        metrics.checkpoints = self[.checkpoints]
        metrics.checkpointMicroseconds = self[.checkpointMicroseconds]
        metrics.checkpointAgeMicroseconds = UInt64(max(0, SystemClock.bootTimeMicroseconds() - checkpointedAt))
        let committed = committed
        metrics.commitsSinceCheckpoint = committed - min(checkpoint, committed)
        metrics.commitsNotDurable = isJournaled ? committed - min(durable, committed) : 0
        return metrics
    }
}
