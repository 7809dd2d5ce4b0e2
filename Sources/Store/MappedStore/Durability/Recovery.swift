internal import LMDB
internal import Linux
internal import SystemPackage

/// Brings the store's file to the state that the journal's last record names, and makes again what the journal has after it.
///
/// This happens whenever a process opens the store alone and the store has a link, whatever ended the last process. Nothing
/// but the store's pages is written until all is made again, so that a crash on the way changes nothing.
struct Recovery {
    /// The record that the store continues from; `nil` if the store is complete as it is.
    let record: CheckpointRecord?
    /// Whether the store may lack what was acknowledged: the machine went down while commits had no frames.
    let mayHaveLost: Bool
    /// Whether the file has to be brought to the record's state.
    let restores: Bool

    /// Reads what there is to recover.
    /// - Parameters:
    ///   - store: the path of the store's file.
    ///   - isAlone: whether no other process has the store open.
    init(_ store: FilePath, bootID: String, isAlone: Bool = true) throws(StoreError) {
        guard let salt = StoreLink.salt(of: store) else {
            (record, mayHaveLost, restores) = (nil, false, false)
            return
        }
        let directory = store.removingLastComponent()
        let record: CheckpointRecord?
        do throws(Errno) {
            let journal = try JournalFile(in: directory)
            defer { journal?.close() }
            record = try journal?.record()
        } catch {
            throw StoreError("cannot read \(JournalFile.path(in: directory)): \(error)")
        }
        guard let record, [record.salt, record.formerSalt].contains(salt) else {
            throw StoreError(withoutJournal: store, exists: record != nil)
        }
        let newest = try Self.metas(of: store).map { MetaPage.transaction($0) }.max() ?? 0
        guard newest >= record.transaction else {
            throw StoreError(
                """
                \(store) is older than \(JournalFile.path(in: directory)) beside it: another store.mdb was put in place. \
                Restore a store together with its journal; a copy that was made while the service was stopped, or by \
                "postroom store compact", needs none
                """)
        }
        self.record = record
        // The file itself has the last commits, unless the machine went down or its disk has failed. Without frames only the
        // file has them; and while a process reads the store, its pages must stay.
        let isSameBoot = record.bootID == bootID
        let isBroken = (try? SharedState(in: directory)).map { $0.isKnown && $0.isBroken } ?? false
        restores = record.isJournaled ? isAlone || isBroken || !isSameBoot : isBroken || !isSameBoot
        mayHaveLost = !record.isJournaled && !isSameBoot
    }

    /// Whether the store's link names a journal, so that a process that is alone with the store has to recover it first.
    static func isNeeded(_ store: FilePath) -> Bool { StoreLink.salt(of: store) != nil }

    private static func metas(of store: FilePath) throws(StoreError) -> [[UInt8]] {
        guard let first = Files.start(of: store, limitBytes: 256).flatMap({ meta(in: $0) }) else { return [] }
        let page = Files.start(of: store, at: MetaPage.pageBytes(first), limitBytes: 256)
        return [first] + (page.flatMap { meta(in: $0) }.map { [$0] } ?? [])
    }

    private static func meta(in page: [UInt8]) -> [UInt8]? {
        guard page.count >= MetaPage.offset + MetaPage.byteCount else { return nil }
        let bytes = Array(page[MetaPage.offset..<MetaPage.offset + MetaPage.byteCount])
        return MetaPage.isValid(bytes) ? bytes : nil
    }

    /// Puts the record's meta page in place of both of the file's. No process may have the file open.
    func restore(_ store: FilePath) throws(StoreError) {
        guard restores, let record else { return }
        // A program that is not Postroom's has no lock of Postroom's, but LMDB's own: it locks the first byte (mdb.c,
        // mdb_env_excl_lock).
        guard !Files.isLocked(FilePath("\(store)-lock"), bytes: 1) else {
            throw StoreError("\(store) is in use by another program: stop it first")
        }
        do throws(Errno) {
            let file = try Files.open(store, .readWrite)
            defer { try? file.close() }
            for page in 0..<2 {
                try Files.write(
                    record.meta, to: file, at: page * MetaPage.pageBytes(record.meta) + MetaPage.offset)
            }
        } catch {
            throw StoreError("cannot write \(store): \(error)")
        }
    }

    /// Whether the journal has a frame after the record.
    func hasFrames(_ directory: FilePath) -> Bool {
        guard let record, record.isJournaled, record.journalBytes > 0,
            let journal = (try? JournalFile(in: directory)) ?? nil
        else { return false }
        defer { journal.close() }
        return (try? frame(of: record.transaction + 1, after: record.end, in: journal, record)) ?? nil != nil
    }

    /// Makes the changes of the journal's frames again, in a transaction for each.
    ///
    /// The caller must hold a snapshot of the record's transaction (`Anchors`), so that no page of it is overwritten.
    /// - Returns: how many frames there were.
    func replay(_ directory: FilePath, _ environment: Environment) throws(LMDBError) -> Int {
        guard restores, let record, record.isJournaled, record.journalBytes > 0 else { return 0 }
        let journal: JournalFile
        do throws(Errno) {
            guard let found = try JournalFile(in: directory) else { throw .noSuchFileOrDirectory }
            journal = found
        } catch {
            throw LMDBError(code: error.rawValue, function: "journal")
        }
        defer { journal.close() }
        var (id, end, count) = (record.transaction + 1, record.end, 0)
        while let (content, next) = try frame(of: id, after: end, in: journal, record) {
            var transaction = try environment.beginWrite()
            guard transaction.id == id else { throw .damaged("the order of the journal's frames") }
            try Frame.apply(content, in: &transaction)
            try next.put(salt: record.salt, in: &transaction)
            try transaction.commit()
            (id, end, count) = (id + 1, next, count + 1)
        }
        return count
    }

    private func frame(
        of id: UInt64, after end: JournalEnd, in journal: JournalFile, _ record: CheckpointRecord
    ) throws(LMDBError) -> (content: ArraySlice<UInt8>, end: JournalEnd)? {
        let ring = UInt64(record.journalBytes)
        // A frame that does not fit before the ring's end is at its start.
        let start = end.position
        let positions = start % ring == 0 ? [start] : [start, (start / ring + 1) * ring]
        do throws(Errno) {
            for position in positions {
                let found = try journal.frame(
                    at: position, id: id, salt: record.salt, previous: end.checksum, ring: record.journalBytes)
                if let found { return found }
            }
        } catch {
            throw LMDBError(code: error.rawValue, function: "pread")
        }
        return nil
    }
}

extension StoreError {
    fileprivate init(withoutJournal store: FilePath, exists: Bool) {
        let journal = JournalFile.path(in: store.removingLastComponent())
        self.init(
            """
            \(store) needs its journal, and \(journal) \(exists ? "belongs to another store, or to another state of this one" : "is missing or cannot be read"): \
            it has what was acknowledged last. Put back the journal that belongs to this store.mdb. To continue with what \
            store.mdb alone contains, run "postroom store repair"
            """)
    }
}
