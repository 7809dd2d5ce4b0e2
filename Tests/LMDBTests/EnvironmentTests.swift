import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import LMDB

/// Runs `body` with a new environment that has one table.
func withEnvironment(
    mapBytes: Int = 8 << 20, _ body: (Environment, Table) throws -> Void
) throws {
    try withTemporaryDirectory { directory in
        let environment = try open(directory, mapBytes: mapBytes)
        let transaction = try environment.beginWrite()
        let table = try Table("table", creating: true, in: transaction)
        try transaction.commit()
        try body(environment, table)
    }
}

func open(_ directory: FilePath, mapBytes: Int = 8 << 20, isReadOnly: Bool = false) throws(LMDBError) -> Environment {
    let options = Environment.Options(mapBytes: mapBytes, isReadOnly: isReadOnly)
    return try Environment(path: directory.appending("store.mdb").string, tables: 4, readers: 16, options)
}

extension Environment {
    func put(_ value: [UInt8], at key: [UInt8], in table: Table) throws(LMDBError) {
        var transaction = try beginWrite()
        try table.put(value, at: key, in: &transaction)
        try transaction.commit()
    }

    func value(at key: [UInt8], in table: Table) throws(LMDBError) -> [UInt8]? {
        try read { (transaction) throws(LMDBError) in
            try table.value(at: key, in: transaction) { span in unsafe span.withUnsafeBytes { unsafe Array($0) } }
        }
    }
}

@Suite struct EnvironmentTests {
    @Test func `a committed value is there after reopening`() throws {
        try withTemporaryDirectory { directory in
            do {
                let environment = try open(directory)
                var transaction = try environment.beginWrite()
                let table = try Table("table", creating: true, in: transaction)
                try table.put([1, 2], at: [9], in: &transaction)
                try transaction.commit()
            }
            let environment = try open(directory)
            let transaction = try environment.beginWrite()
            let table = try Table("table", creating: false, in: transaction)
            try transaction.commit()
            #expect(try environment.value(at: [9], in: table) == [1, 2])
        }
    }

    @Test func `a transaction that is not committed changes nothing`() throws {
        try withEnvironment { environment, table in
            let before = try environment.lastVisibleTransactionID()
            do {
                var transaction = try environment.beginWrite()
                try table.put([1], at: [1], in: &transaction)
            }
            #expect(try environment.value(at: [1], in: table) == nil)
            #expect(try environment.lastVisibleTransactionID() == before)
            try environment.put([2], at: [1], in: table)
            #expect(try environment.lastVisibleTransactionID() == before + 1)
        }
    }

    @Test func `a reader sees the state at its beginning, while a later reader sees a newer one`() throws {
        try withEnvironment { environment, table in
            try environment.put([1], at: [1], in: table)
            try environment.read { (outer) throws(LMDBError) in
                try environment.put([2], at: [1], in: table)
                let seen = try table.value(at: [1], in: outer) {
                    $0.byteCount == 1 ? unsafe $0.unsafeLoad(as: UInt8.self) : 0
                }
                #expect(seen == 1)
                #expect(try environment.value(at: [1], in: table) == [2])
            }
            #expect(try environment.value(at: [1], in: table) == [2])
        }
    }

    @Test func `a full map is reported, and can still be read`() throws {
        try withEnvironment(mapBytes: 256 << 10) { (environment, table) throws in
            var failure: LMDBError?
            for index in UInt8(0)..<200 where failure == nil {
                do throws(LMDBError) {
                    try environment.put([UInt8](repeating: index, count: 4000), at: [index], in: table)
                } catch {
                    failure = error
                }
            }
            #expect(failure?.isFull == true)
            #expect(environment.usedBytes <= environment.mapBytes)
            #expect(try environment.value(at: [0], in: table)?.count == 4000)
        }
    }

    @Test func `a map that another process has enlarged is adopted`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            let environment = try open(directory, mapBytes: 256 << 10)
            let transaction = try environment.beginWrite()
            let table = try Table("table", creating: true, in: transaction)
            try transaction.commit()
            await #expect(processExitsWith: .success) { [path = directory.string as String] in
                let other = try open(FilePath(path), mapBytes: 16 << 20)
                var transaction = try other.beginWrite()
                let table = try Table("table", creating: false, in: transaction)
                try table.put([UInt8](repeating: 1, count: 1 << 20), at: [1], in: &transaction)
                try transaction.commit()
            }
            #expect(try environment.value(at: [1], in: table)?.count == 1 << 20)
            try environment.put([2], at: [2], in: table)
            #expect(environment.mapBytes > 1 << 20)
        }
    }

    @Test func `a file of another format is reported as damaged, and is not changed`() throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("store.mdb")
            let bytes = [UInt8](repeating: 0x5a, count: 16384)
            let file = try FileDescriptor.open(path, .writeOnly, options: .create, permissions: .ownerReadWrite)
            try file.closeAfter { _ = try file.writeAll(bytes) }
            do throws(LMDBError) {
                _ = try open(directory)
                Issue.record("opened")
            } catch {
                #expect(error.isDamage && !error.isFull)
            }
            let reader = try FileDescriptor.open(path, .readOnly)
            var found = [UInt8](repeating: 0, count: bytes.count + 1)
            let count = try reader.closeAfter {
                unsafe try found.withUnsafeMutableBytes { unsafe try reader.read(into: $0) }
            }
            #expect(found.prefix(count) == bytes[...])
        }
    }

    @Test func `a missing directory is reported as a system error`() {
        do throws(LMDBError) {
            _ = try open("/nowhere/at/all")
            Issue.record("opened")
        } catch {
            #expect(error == LMDBError(code: Errno.noSuchFileOrDirectory.rawValue, function: "mdb_env_open"))
            #expect(!error.isDamage && !error.isFull)
            #expect(error.description.hasPrefix("mdb_env_open: "))
        }
    }

    @Test func `the slot of a killed reader is freed`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            let environment = try open(directory)
            await #expect(processExitsWith: .signal(9)) { [path = directory.string as String] in
                let other = try open(FilePath(path))
                try other.read { (_) throws(LMDBError) in killThisProcess() }
            }
            #expect(try environment.sweepDeadReaders() == 1)
            #expect(try environment.sweepDeadReaders() == 0)
        }
    }

    @Test func `a process that is killed while it writes changes nothing, and blocks no other`() async throws {
        try await withTemporaryDirectory { (directory: FilePath) in
            let environment = try open(directory)
            let transaction = try environment.beginWrite()
            let table = try Table("table", creating: true, in: transaction)
            try transaction.commit()
            await #expect(processExitsWith: .signal(9)) { [path = directory.string as String] in
                let other = try open(FilePath(path))
                var transaction = try other.beginWrite()
                let table = try Table("table", creating: false, in: transaction)
                try table.put([1], at: [1], in: &transaction)
                killThisProcess()
            }
            try environment.put([2], at: [2], in: table)
            #expect(try environment.value(at: [1], in: table) == nil)
            #expect(try environment.value(at: [2], in: table) == [2])
        }
    }

    @Test func `a read-only environment refuses to write`() throws {
        try withTemporaryDirectory { directory in
            do { _ = try open(directory) }
            let environment = try open(directory, isReadOnly: true)
            #expect(throws: LMDBError(code: Errno.permissionDenied.rawValue, function: "mdb_txn_begin")) {
                _ = try environment.beginWrite()
            }
        }
    }

    @Test func `freed pages are counted once the next transaction may use them, even while it writes`() throws {
        try withEnvironment { environment, table in
            #expect(try environment.freePages(enough: .max).usable < 20)
            try environment.put([UInt8](repeating: 1, count: 1 << 20), at: [1], in: table)
            var removal = try environment.beginWrite()
            try table.remove([1], in: &removal)
            try removal.commit()
            #expect(try environment.freePages(enough: .max).usable < 20)
            try environment.put([1], at: [2], in: table)
            var transaction = try environment.beginWrite()
            #expect(try environment.freePages(enough: .max).usable >= 256)
            try table.put([2], at: [2], in: &transaction)
            #expect(try environment.freePages(enough: .max).usable >= 256)
        }
    }

    @Test func `the oldest reader is found, with the pages that were freed since`() throws {
        try withEnvironment { environment, table in
            #expect(environment.access.oldestReader() == nil)
            try environment.put([UInt8](repeating: 1, count: 1 << 20), at: [1], in: table)
            let old = try environment.access.snapshot()
            let oldest = Reader(processID: getpid(), transaction: old.id)
            #expect(try environment.access.pagesFreed(since: old.id + 1) == 0)
            try environment.put([1], at: [1], in: table)
            let new = try environment.access.snapshot()
            #expect(environment.access.oldestReader() == oldest)
            #expect((256..<300).contains(try environment.access.pagesFreed(since: old.id + 1)))
            #expect(try environment.access.pagesFreed(since: new.id + 1) == 0)
            withExtendedLifetime((old, new)) {}
        }
    }

    @Test(arguments: ["    pid     thread     txnid\n", " 1234 7f00 -\n", "", "(no active readers)\n"])
    func `a line of LMDB's list that is not a reader in a transaction is skipped`(line: String) {
        #expect(Reader(line: line) == nil)
    }

    @Test func `a new environment has no free pages`() throws {
        try withTemporaryDirectory { directory in
            let environment = try open(directory)
            #expect(try environment.freePages(enough: 1).usable == 0)
        }
    }

    @Test func `a compacted copy has the entries, but not the free pages`() throws {
        try withTemporaryDirectory { directory in
            let environment = try open(directory)
            let transaction = try environment.beginWrite()
            let table = try Table("table", creating: true, in: transaction)
            try transaction.commit()
            try environment.put([UInt8](repeating: 1, count: 1 << 20), at: [1], in: table)
            var removal = try environment.beginWrite()
            try table.remove([1], in: &removal)
            try table.put([7], at: [2], in: &removal)
            try removal.commit()
            let copies = directory.appending("copy")
            try environment.copyCompacted(to: copies.string)
            let options = Environment.Options(mapBytes: 8 << 20)
            let copy = try Environment(path: copies.string, tables: 4, readers: 4, options)
            let reading = try copy.beginWrite()
            let copied = try Table("table", creating: false, in: reading)
            try reading.commit()
            #expect(try copy.value(at: [2], in: copied) == [7])
            #expect(copy.usedBytes < environment.usedBytes)
        }
    }
}
