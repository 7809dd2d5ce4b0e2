import Glibc
import Linux
import SystemPackage
import TestSupport
import Testing

@testable import FastCGI

@Suite struct SpoolTests {
    @Test(arguments: [true, false])
    func `a long request is collected on the disk, if there is a directory for it`(hasDirectory: Bool) throws {
        try withTemporaryDirectory { directory in
            let spool = try Spool(directory: hasDirectory ? directory : nil)
            let part = (0..<60_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            var isInMemory: [Bool] = []
            for _ in 0..<6 {
                spool.write(part[...])
                let path = try FilePath("/proc/self/fd/\(spool.file.rawValue)").target()
                isInMemory.append(path.hasPrefix("/memfd:"))
            }
            #expect(isInMemory == [true, true, true, true, !hasDirectory, !hasDirectory])
            try spool.rewind()
            var found: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 50_000)
            while true {
                let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe spool.file.read(into: $0) }
                guard count > 0 else { break }
                found += buffer[..<count]
            }
            #expect(found == Array(repeating: part, count: 6).flatMap { $0 })
        }
    }

    @Test func `nothing of a long request is kept if the disk has no room to spare`() throws {
        try withTemporaryDirectory { directory in
            let spool = try Spool(directory: directory, spareBytes: 1 << 60)
            spool.write([UInt8](repeating: 1, count: 200 << 10)[...])
            #expect(!spool.isBroken)
            for _ in 0..<2 {
                spool.write([UInt8](repeating: 1, count: 200 << 10)[...])
                #expect(spool.isBroken)
                #expect(try spool.file.seek(offset: 0, from: .end) == 0)
            }
        }
    }

    @Test func `a request stays in memory if the directory is not there`() throws {
        let spool = try Spool(directory: "/nonexistent")
        spool.write([UInt8](repeating: 1, count: 300 << 10)[...])
        #expect(!spool.isBroken)
        #expect(try FilePath("/proc/self/fd/\(spool.file.rawValue)").target().hasPrefix("/memfd:"))
    }
}

extension FilePath {
    fileprivate func target() throws -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = unsafe buffer.withUnsafeMutableBufferPointer { target in
            unsafe readlink(string, target.baseAddress!, target.count)
        }
        try #require(count > 0)
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
