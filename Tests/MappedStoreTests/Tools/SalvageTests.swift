import Capture
import LMDB
import StoreSupport
import SystemPackage
import TestSupport
import Testing

@testable import MappedStore

/// The copy of a damaged store, table by table.
@Suite struct SalvageTests {
    /// Copies a store as `postroom store repair` does, in one process. Returns whether the layout was missing.
    private func salvage(_ directory: FilePath, to copy: FilePath) throws -> Bool {
        let file = try FileDescriptor.open(
            directory.appending("records"), .readWrite, options: .create, permissions: .ownerReadWrite)
        defer { try? file.close() }
        try StoreSalvage.send(StoreSalvage.Part(table: 0), of: directory, to: file, isCareful: false)
        try file.seek(offset: 0, from: .start)
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = try unsafe bytes.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
        let receiver = try StoreSalvage.Receiver(directory: copy, maximumBytes: 64 << 20)
        receiver.begin(StoreSalvage.Part(table: 0))
        #expect(try receiver.take(bytes[..<count]))
        #expect(receiver.isDone && receiver.failures.isEmpty)
        return try receiver.finish()
    }

    /// Before layout 7 endpoints had a table of their own.
    @Test(arguments: [false, true])
    func `endpoints are kept even if the number of the layout is lost`(isOld: Bool) throws {
        try withTemporaryDirectory { directory in
            do {
                let store = try open(directory)
                try store.create(1)
                #expect(try store.accept(at: 1) == .stored)
                try store.commit()
                try store.write { (transaction) throws(LMDBError) in
                    try store.tables.schema.remove(in: &transaction)
                    guard isOld else { return }
                    let old = try Table("endpoints", creating: true, in: transaction)
                    let record = try store.tables.endpoints.bytes.value(at: key(1), in: transaction) { copy($0) }
                    try old.put(record ?? [], at: key(1), in: &transaction)
                    try store.tables.endpoints.remove(1, in: &transaction)
                }
                try store.commit()
            }
            try withTemporaryDirectory { copy in
                #expect(try salvage(directory, to: copy))
                let store = try open(copy)
                #expect(try store.check().faults == [])
                #expect(try store.waiting(at: 1) == [1])
            }
        }
    }
}
