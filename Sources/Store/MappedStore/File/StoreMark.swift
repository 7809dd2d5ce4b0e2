internal import HTTP
internal import LMDB
internal import Linux
internal import SystemPackage
package import Values

/// Tells a store from an older copy of itself that was put in its place.
///
/// The store has a random mark, and the file `store.mark` beside it has the same. Both are renewed while the service goes
/// on: a copy that is older has an older one. Who copies the mark back too, as with a whole volume, removes that file.
struct StoreMark {
    private let path: FilePath

    /// - Parameter store: the path of the store's file.
    init(_ store: FilePath) { path = store.removingLastComponent().appending("store.mark") }

    /// Has the store's time begin anew where the store is not the one that the file knows, or is new.
    /// - Returns: false where the store is an older copy of itself.
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

    /// Gives store and file another mark. One process at a time: the file must name the store's mark at every moment, also
    /// while a worker that ends and the one that replaces it both renew it.
    /// - Parameters:
    ///   - old: reads the store's mark.
    ///   - store: writes the new one into the store, for good.
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
        // Whichever of them a crash leaves in the store, the file knows it.
        write([fresh, old].compactMap { $0 })
        try store(fresh)
        write([fresh])
    }

    static func seconds() -> UInt64 { UInt64(max(0, SystemClock.realTimeMicroseconds() / 1_000_000)) }

    private func known() -> [UInt64] {
        let text = String(decoding: Files.contents(of: path) ?? [], as: UTF8.self)
        return text.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0, radix: 16) }
    }

    /// Where the file cannot be written, the store's time begins anew at the next start: clients refresh for nothing.
    private func write(_ marks: [UInt64]) {
        let text = marks.map { String($0, radix: 16) + "\n" }.joined()
        try? Files.replace(path, with: Array(text.utf8), permissions: [.ownerReadWrite, .groupRead])
    }
}

extension QueueState {
    /// The same with another time, later than the one before.
    func begunAnew(at seconds: UInt64) -> QueueState {
        var state = self
        state.time = max(seconds, time + 1)
        return state
    }
}

extension MappedStore {
    /// Tells copies of the store that are made from now on from those before.
    package func renewMark() throws(StoreFailure) {
        try core.mark.renew {
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
            try settle()
        }
    }
}
