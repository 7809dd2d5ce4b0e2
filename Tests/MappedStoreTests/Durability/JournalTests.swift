import LMDB
import Linux
import SystemPackage
import TestSupport
import Testing

@testable import MappedStore

@Suite struct JournalTests {
    private static func meta(_ id: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: MetaPage.byteCount)
        bytes.replaceSubrange(0..<8, with: [0xDE, 0xC0, 0xEF, 0xBE, 1, 0, 0, 0])
        for index in 0..<8 { bytes[128 + index] = UInt8(truncatingIfNeeded: id >> UInt64(8 * index)) }
        return bytes
    }

    private static func record(_ sequence: UInt64) -> CheckpointRecord {
        CheckpointRecord(
            sequence: sequence, transaction: 40 + sequence, end: JournalEnd(position: 7, checksum: 8), salt: 99,
            formerSalt: 98, journalBytes: 1 << 20,
            isJournaled: true, bootID: "boot", meta: meta(40 + sequence))
    }

    private static func frame(
        _ id: UInt64, bytes count: Int, salt: UInt64 = 5, previous: UInt32 = 0
    ) throws -> [UInt8] {
        var frame: [UInt8] = []
        try withTemporaryDirectory { directory in
            let environment = try Environment(
                path: directory.appending("store").string, tables: 2, readers: 4,
                Environment.Options(mapBytes: 1 << 20))
            var transaction = try environment.beginWrite()
            let table = try Table("table", creating: true, in: transaction)
            let log = ChangeLog()
            log.clear(limitBytes: 1 << 20)
            transaction.log = log
            try table.put([UInt8](repeating: UInt8(id & 0xff), count: count), at: [1], in: &transaction)
            frame =
                Frame.encoded(
                    log, names: [UInt8(table.index): Array("table".utf8)], id: id, salt: salt, previous: previous
                ).bytes
        }
        return frame
    }

    @Test func `a record is read as it was written, and not if a byte of it differs`() throws {
        let record = Self.record(1)
        #expect(CheckpointRecord(slot: record.encoded + [0, 0, 0]) == record)
        for index in record.encoded.indices {
            var damaged = record.encoded
            damaged[index] ^= 0x10
            #expect(CheckpointRecord(slot: damaged) == nil, "byte \(index)")
        }
        #expect(CheckpointRecord(slot: []) == nil)
        #expect(CheckpointRecord(slot: [UInt8](repeating: 0, count: 4096)) == nil)
    }

    @Test func `the newer of two records counts, and the older one if the newer is damaged`() throws {
        try withTemporaryDirectory { directory in
            let journal = try JournalFile(in: directory, bytes: 1 << 16)
            defer { journal.close() }
            #expect(try journal.record() == nil)
            let (first, second) = (Self.record(1), Self.record(2))
            try journal.write(first)
            try journal.write(second)
            #expect(try journal.record() == second)
            try Files.write([0xff], to: journal.file, at: 30)
            #expect(try journal.record() == first)
        }
    }

    @Test func `a frame is found at its position with its id and salt, and no other`() throws {
        try withTemporaryDirectory { directory in
            let ring = 1 << 16
            let journal = try JournalFile(in: directory, bytes: ring)
            defer { journal.close() }
            let frame = try Self.frame(7, bytes: 1000)
            try journal.write(frame, at: 100, after: 100, ring: ring)
            #expect(
                try journal.frame(at: 100, id: 7, salt: 5, previous: 0, ring: ring)?.end.position == 100
                    + UInt64(frame.count))
            #expect(try journal.frame(at: 100, id: 8, salt: 5, previous: 0, ring: ring) == nil)
            #expect(try journal.frame(at: 100, id: 7, salt: 6, previous: 0, ring: ring) == nil)
            #expect(try journal.frame(at: 100, id: 7, salt: 5, previous: 1, ring: ring) == nil)
            #expect(try journal.frame(at: 101, id: 7, salt: 5, previous: 0, ring: ring) == nil)
            for offset in [0, 5, 12, 20, 30, frame.count - 1] {
                let place = 2 * CheckpointRecord.slotBytes + 100 + offset
                try Files.write([frame[offset] ^ 1], to: journal.file, at: place)
                #expect(try journal.frame(at: 100, id: 7, salt: 5, previous: 0, ring: ring) == nil, "byte \(offset)")
                try Files.write([frame[offset]], to: journal.file, at: place)
            }
            #expect(try journal.frame(at: 100, id: 7, salt: 5, previous: 0, ring: ring) != nil)
        }
    }

    @Test func `a frame that does not fit before the ring's end begins the next lap, and hides no other`() throws {
        try withTemporaryDirectory { directory in
            let ring = 1 << 16
            let journal = try JournalFile(in: directory, bytes: ring)
            defer { journal.close() }
            let end = UInt64(ring - 2000)
            // A transaction was not committed after its frame was written. The next one has the same id.
            try journal.write(try Self.frame(9, bytes: 500), at: end, after: end, ring: ring)
            let frame = try Self.frame(9, bytes: 5000)
            let position = JournalFile.position(for: frame.count, after: end, ring: ring)
            #expect(position == UInt64(ring))
            try journal.write(frame, at: position, after: end, ring: ring)
            #expect(try journal.frame(at: end, id: 9, salt: 5, previous: 0, ring: ring) == nil)
            #expect(
                try journal.frame(at: position, id: 9, salt: 5, previous: 0, ring: ring)?.end.position == position
                    + UInt64(frame.count))
        }
    }

    @Test(arguments: [(0, 10, 0), (90, 10, 90), (91, 10, 100), (100, 10, 100), (195, 10, 200)])
    func `a frame's position`(end: UInt64, bytes: Int, position: UInt64) {
        #expect(JournalFile.position(for: bytes, after: end, ring: 100) == position)
    }

    @Test func `changes are made again from a frame`() throws {
        try withTemporaryDirectory { directory in
            let environment = try Environment(
                path: directory.appending("store").string, tables: 4, readers: 4,
                Environment.Options(mapBytes: 1 << 20))
            let frame = try Self.frame(3, bytes: 300)
            let header = try #require(Frame.Header(frame))
            var transaction = try environment.beginWrite()
            try Frame.apply(try #require(Frame.content(frame, header)), in: &transaction)
            try transaction.commit()
            let value = try environment.read { (transaction) throws(LMDBError) in
                try Table("table", creating: false, in: transaction).value(at: [1], in: transaction) { $0.byteCount }
            }
            #expect(value == 300)
        }
    }

    @Test(arguments: [[], [3], [1, 9], [1, 0, 200, 1], [1, 0, 0], [1, 1, 1, 65, 1, 5]] as [[UInt8]])
    func `bytes that are no changes are damage`(bytes: [UInt8]) throws {
        try withTemporaryDirectory { directory in
            let environment = try Environment(
                path: directory.appending("store").string, tables: 4, readers: 4,
                Environment.Options(mapBytes: 1 << 20))
            var transaction = try environment.beginWrite()
            #expect(throws: LMDBError.self) { try Frame.apply(bytes[...], in: &transaction) }
        }
    }
}
