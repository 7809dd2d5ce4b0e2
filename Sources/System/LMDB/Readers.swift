internal import CLMDB

/// A read transaction of any process.
package struct Reader: Equatable, Sendable {
    package let processID: Int32
    /// The id of the last write transaction that it sees.
    package let transaction: UInt64

    /// Reads a line of LMDB's list: process, thread, transaction (mdb.c, mdb_reader_list). `nil` for its heading, and for
    /// a reader between two transactions.
    init?(line: String) {
        let words = line.split(whereSeparator: \.isWhitespace)
        guard words.count == 3, let processID = Int32(words[0]), let transaction = UInt64(words[2]) else { return nil }
        self.init(processID: processID, transaction: transaction)
    }

    init(processID: Int32, transaction: UInt64) {
        self.processID = processID
        self.transaction = transaction
    }
}

extension EnvironmentAccess {
    /// The reader with the lowest id, of all processes; `nil` if there is no reader.
    package func oldestReader() -> Reader? {
        var oldest: Reader?
        _ = unsafe withUnsafeMutablePointer(to: &oldest) { oldest in
            unsafe mdb_reader_list(
                environment.handle,
                { line, context in
                    guard let line = unsafe line, let context = unsafe context,
                        let reader = unsafe Reader(line: String(cString: line))
                    else { return 0 }
                    let oldest = unsafe context.assumingMemoryBound(to: Reader?.self)
                    if unsafe reader.transaction < oldest.pointee?.transaction ?? .max {
                        unsafe oldest.pointee = reader
                    }
                    return 0
                }, oldest)
        }
        return oldest
    }

    /// Frees the reader slots of processes that died while reading, and returns how many there were.
    @discardableResult
    package func sweepDeadReaders() throws(LMDBError) -> Int {
        var count: CInt = 0
        unsafe try check(mdb_reader_check(environment.handle, &count), "mdb_reader_check")
        return Int(count)
    }

    /// How many pages were freed by a transaction or a later one. While a reader of that transaction is open, they cannot be
    /// used again.
    package func pagesFreed(since transaction: UInt64) throws(LMDBError) -> Int {
        var pages = 0
        // The list of free pages: see `Environment.freePages`. Its keys are numbers in the order of the machine's bytes.
        let start = unsafe withUnsafeBytes(of: UInt(transaction)) { unsafe Array($0) }
        try snapshot().read { (snapshot) throws(LMDBError) in
            try Table(index: 0).scan(from: start, in: snapshot) { _, value in
                guard value.byteCount >= MemoryLayout<UInt>.size else { return false }
                pages += unsafe Int(clamping: value.unsafeLoadUnaligned(as: UInt.self))
                return true
            }
        }
        return pages
    }
}
