internal import HTTP
internal import LMDB
internal import Linux
internal import SystemPackage
package import Values

/// Recognises that an older copy of the store has replaced it.
///
/// The store contains a random mark, and the file `store.mark` beside it contains the same mark. Both are renewed while the
/// service runs, so that an older copy has an older mark. If an older copy is restored together with `store.mark`, as with
/// a whole volume, the operator must remove that file.
struct StoreMark {
    private let path: FilePath

    /// - Parameter store: the path of the store's file.
    init(_ store: FilePath) { path = store.removingLastComponent().appending("store.mark") }

    /// Restarts the store's time (`QueueState.time`) if the store is new or the file does not know its mark.
    /// - Returns: false if the store is an older copy of itself.
    func recognise(_ tables: Tables, in transaction: inout Transaction) throws(LMDBError) -> Bool {
        var stored = try tables.queueState.readable(in: transaction)
        let mark = try tables.mark.readable(in: transaction)
        if let mark, stored != nil, known().contains(mark) { return true }
        if try tables.queueState.isDamaged(in: transaction) {
            stored = try tables.rebuiltQueueState(at: Self.seconds(), in: transaction)
        }
        let now = QueueState(time: Self.seconds())
        let fresh = UInt64.random(in: 1 ... .max)
        try tables.mark.put(fresh, in: &transaction)
        try tables.queueState.put(stored?.begunAnew(at: now.time) ?? now, in: &transaction)
        write([fresh])
        return mark == nil
    }

    /// Gives the store and the file a new mark. One process does this at a time: the file must name the store's mark at
    /// every moment, even while a worker that ends and the one that replaces it both renew the mark.
    /// - Parameters:
    ///   - old: reads the store's mark.
    ///   - store: writes the new mark to the store, durably.
    func renew(
        from old: () throws(StoreFailure) -> UInt64?, _ store: (UInt64) throws(StoreFailure) -> Void
    ) throws(StoreFailure) {
        let lock: FileLock
        do throws(Errno) {
            lock = try FileLock(FilePath(path.string + ".lock"), exclusive: true, waits: true)
        } catch {
            throw StoreFailure(LMDBError(code: error.rawValue, function: "flock"))
        }
        defer { withExtendedLifetime(lock) {} }
        let old = try old()
        let fresh = UInt64.random(in: 1 ... .max)
        // A crash may leave either mark in the store: the file names both.
        write([fresh, old].compactMap { $0 })
        try store(fresh)
        write([fresh])
    }

    static func seconds() -> UInt64 { UInt64(max(0, SystemClock.realTimeMicroseconds() / 1_000_000)) }

    private func known() -> [UInt64] {
        let text = String(decoding: Files.contents(of: path) ?? [], as: UTF8.self)
        return text.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0, radix: 16) }
    }

    /// Names marks in the file, durably: a power cut must not leave a file that does not name the store's mark.
    ///
    /// If the file cannot be written, the store's time restarts at the next start, and clients refresh without need.
    private func write(_ marks: [UInt64]) {
        let text = marks.map { String($0, radix: 16) + "\n" }.joined()
        try? Files.replace(path, with: Array(text.utf8), permissions: [.ownerReadWrite, .groupRead])
        // The new file is in place once the directory is on the disk (fsync(2)).
        try? Files.synchronizeNames(in: path.removingLastComponent())
    }
}

extension QueueState {
    /// The same state with a new time, later than the one before.
    func begunAnew(at seconds: UInt64) -> QueueState {
        var state = self
        state.time = max(seconds, time + 1)
        return state
    }
}

extension MappedStore {
    /// Renews the mark, so that copies of the store made until now are recognised as older.
    package func renewMark() throws(StoreFailure) {
        guard let file = core.file else { return }
        try file.mark.renew {
            () throws(StoreFailure) in
            try read { (transaction) throws(LMDBError) in
                try tables.mark.value(in: transaction)
            }
        } _: {
            fresh throws(StoreFailure) in
            try write { (transaction) throws(LMDBError) in
                try tables.mark.put(fresh, in: &transaction)
            }
            try commit()
            try flush()
        }
    }
}
