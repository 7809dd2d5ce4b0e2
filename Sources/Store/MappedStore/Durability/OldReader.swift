internal import Linux
package import SystemPackage

/// A process that has read the store for so long that many pages of its file wait for it until they can be used again.
package struct OldReader: Equatable, Sendable {
    package let processID: Int32
    /// Bytes of the pages that wait, as of a moment ago.
    package let bytes: Int

    init(processID: Int32, bytes: Int) {
        self.processID = processID
        self.bytes = bytes
    }

    // MARK: As one number, which processes share

    private static let unitBytes = 1024
    private static let sizeBits: UInt64 = 40

    init?(packed: UInt64) {
        guard packed != 0 else { return nil }
        let units = packed & (1 << Self.sizeBits - 1)
        self.init(processID: Int32(truncatingIfNeeded: packed >> Self.sizeBits), bytes: Int(units) * Self.unitBytes)
    }

    var packed: UInt64 {
        UInt64(UInt32(bitPattern: processID)) << Self.sizeBits
            | min(UInt64(bytes / Self.unitBytes), 1 << Self.sizeBits - 1)
    }
}

extension MappedStore {
    /// The reader of the store in a directory that keeps the most pages from being used again, if the processes that have the
    /// store open have found one. A process that has it open itself must not call this.
    package static func oldReader(in directory: FilePath) -> OldReader? {
        guard Files.exists(SharedState.path(in: directory)), let shared = try? SharedState(in: directory),
            shared.isKnown,
            let reader = shared.oldReader
        else { return nil }
        // A process that has the environment locks the byte of its own number (mdb.c, mdb_reader_pid). Another process may
        // have the number by now.
        let lock = StoreFiles.lockFile(file(in: directory))
        return Files.hasLock(reader.processID, on: lock, at: Int(reader.processID)) ? reader : nil
    }
}
