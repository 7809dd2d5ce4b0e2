import Capture
import Glibc
import HTTP
import Linux
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

/// A disk that fills up, as a small file system in memory.
@Suite struct DiskReserveTests {
    /// Whether this process may mount file systems; root in a container often may not.
    private static let mayMount: Bool = {
        let found: Bool? = try? withSmallDisk(megabytes: 1) { _ in true }
        return found ?? false
    }()

    private static func withSmallDisk<Result>(megabytes: Int, _ body: (FilePath) throws -> Result) throws -> Result {
        try withTemporaryDirectory { directory in
            let path = directory.appending("disk")
            try Files.makeDirectory(path, permissions: .ownerReadWriteExecute)
            guard unsafe mount("none", path.string, "tmpfs", 0, "size=\(megabytes)m") == 0 else {
                throw Errno(rawValue: errno)
            }
            defer { unsafe umount2(path.string, CInt(MNT_DETACH)) }
            return try body(path)
        }
    }

    /// Fills a store until it refuses more.
    /// - Returns: the number of notifications.
    private func fill(_ store: MappedStore, body: Int) throws -> Int {
        for count in 0..<10_000 {
            do throws(StoreFailure) {
                guard
                    try store.capture.accept(
                        notification([UInt8](repeating: 1, count: body)), at: endpointID(1), for: nil,
                        at: store.clock.now(), Self.limits) == .stored
                else {
                    return -1
                }
                try store.commit()
            } catch {
                #expect(error == .full)
                store.rollBack()
                return count
            }
        }
        return 10_000
    }

    private static let limits = CaptureLimits(endpoints: 100_000, notificationsPerEndpoint: 1_000_000)

    @Test(.enabled(if: mayMount, "needs the right to mount a file system"), arguments: [100, 20_000, 300_000])
    func `on a full disk operations that free room succeed, and then there is room again`(body: Int) throws {
        try Self.withSmallDisk(megabytes: 8) { disk in
            let store = try open(disk)
            try store.create(1)
            try store.create(2)
            try store.commit()
            let first = try fill(store, body: body)
            #expect(first > 3)
            let now = store.clock.now()
            #expect(try store.capture.configure(endpointID(2), Configuration(isEnabled: false), at: now, Self.limits))
            try store.commit()
            #expect(try store.waiting(at: 1)?.count == first)
            #expect(try store.capture.delete(endpointID(2)))
            try store.commit()
            #expect(try store.capture.acknowledge(through: .max, at: endpointID(1), at: now, Self.limits))
            try store.commit()
            for _ in 0..<3 {
                try store.touch()
                try store.commit()
            }
            let second = try fill(store, body: body)
            #expect(second > first / 4)
            #expect(try store.waiting(at: 1)?.count == second)
        }
    }

    @Test(arguments: [100, 20_000, 300_000])
    func `in a full map operations that free room succeed, and then there is room again`(body: Int) throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory, maximumBytes: 16 << 20)
            try store.create(1)
            try store.commit()
            let first = try fill(store, body: body)
            #expect(first > 10)
            #expect(
                try store.capture.acknowledge(
                    through: UInt64(first), at: endpointID(1), at: store.clock.now(), Self.limits))
            try store.commit()
            for _ in 0..<3 {
                try store.touch()
                try store.commit()
            }
            #expect(try fill(store, body: body) > first / 4)
        }
    }

    @Test func `a request that is refused for lack of room leaves the others of its turn`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory, maximumBytes: 16 << 20)
            try store.create(1)
            try store.commit()
            _ = try fill(store, body: 300_000)
            #expect(
                try store.capture.configure(
                    endpointID(1), Configuration(isEnabled: true, takesSubpaths: true), at: store.clock.now(),
                    Self.limits))
            #expect(throws: StoreFailure.full) { try store.accept([UInt8](repeating: 1, count: 1 << 20), at: 1) }
            try store.commit()
            #expect(try store.capture.overview(newest: 1).newest.first?.takesSubpaths == true)
        }
    }
}
