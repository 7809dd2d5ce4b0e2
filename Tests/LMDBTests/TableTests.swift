import Testing

@testable import LMDB

@Suite struct TableTests {
    private static let keys: [[UInt8]] = [[0], [0, 0], [0, 1], [1], [1, 255], [2], [255], [255, 0]]

    /// The keys from `start` up to `end`, at most `limit`.
    private func scan(
        _ environment: Environment, _ table: Table, from start: [UInt8] = [], before end: [UInt8]? = nil,
        backwards: Bool = false, limit: Int = .max
    ) throws -> [[UInt8]] {
        var found: [[UInt8]] = []
        try environment.read { (transaction) throws(LMDBError) in
            try table.scan(from: start, before: end, backwards: backwards, in: transaction) { key, value in
                found.append(unsafe key.withUnsafeBytes { unsafe Array($0) })
                return found.count < limit
            }
        }
        return found
    }

    @Test func `a scan gives the keys in the order of their bytes`() throws {
        try withEnvironment { environment, table in
            #expect(try scan(environment, table) == [])
            for key in Self.keys.shuffled() { try environment.put(key, at: key, in: table) }
            #expect(try scan(environment, table) == Self.keys)
            #expect(try scan(environment, table, backwards: true) == Self.keys.reversed())
            #expect(try scan(environment, table, limit: 3) == Array(Self.keys.prefix(3)))
            let count = try environment.read { (transaction) throws(LMDBError) in try table.count(in: transaction) }
            #expect(count == Self.keys.count)
        }
    }

    @Test(arguments: [([1], 3), ([1, 0], 4), ([0, 2], 3), ([255, 0], 7), ([255, 1], 8)] as [([UInt8], Int)])
    func `a scan begins at the given key, or the next one`(start: [UInt8], index: Int) throws {
        try withEnvironment { environment, table in
            for key in Self.keys { try environment.put([], at: key, in: table) }
            #expect(try scan(environment, table, from: start) == Array(Self.keys[index...]))
        }
    }

    @Test(arguments: [([1], 3), ([1, 0], 4), ([0, 2], 3), ([255, 1], 8), ([0], 0)] as [([UInt8], Int)])
    func `a scan ends before the given key`(end: [UInt8], index: Int) throws {
        try withEnvironment { environment, table in
            for key in Self.keys { try environment.put([], at: key, in: table) }
            #expect(try scan(environment, table, before: end) == Array(Self.keys[..<index]))
            #expect(try scan(environment, table, from: [1], before: end) == Array(Self.keys[min(3, index)..<index]))
        }
    }

    @Test(
        arguments: [
            (nil, [1], [2, 1, 0]), (nil, [1, 0], [3, 2, 1, 0]), (nil, [255, 1], [7, 6, 5, 4, 3, 2, 1, 0]),
            (nil, [0], []), ([0, 1], [2], [4, 3, 2]), ([0, 2], [2], [4, 3]), ([0, 2], [1], []), ([2], [1], []),
            ([3], [255], []), ([2], [2], []),
        ] as [([UInt8]?, [UInt8], [Int])])
    func `a scan backwards gives the keys before one, down to another`(
        start: [UInt8]?, end: [UInt8], indices: [Int]
    ) throws {
        try withEnvironment { environment, table in
            for key in Self.keys { try environment.put([], at: key, in: table) }
            var found: [[UInt8]] = []
            try environment.read { (transaction) throws(LMDBError) in
                try table.scanBackwards(from: start, before: end, in: transaction) { key, value in
                    found.append(unsafe key.withUnsafeBytes { unsafe Array($0) })
                    return true
                }
            }
            #expect(found == indices.map { Self.keys[$0] })
        }
    }

    @Test func `a value replaces the previous one, and may be empty`() throws {
        try withEnvironment { environment, table in
            try environment.put([1, 2, 3], at: [1], in: table)
            try environment.put([], at: [1], in: table)
            #expect(try environment.value(at: [1], in: table) == [])
            #expect(try environment.value(at: [2], in: table) == nil)
        }
    }

    @Test func `removing reports whether the key was there`() throws {
        try withEnvironment { environment, table in
            try environment.put([1], at: [1], in: table)
            var transaction = try environment.beginWrite()
            #expect(try table.contains([1], in: transaction))
            #expect(try table.remove([1], in: &transaction))
            #expect(try !table.remove([1], in: &transaction))
            #expect(try !table.contains([1], in: transaction))
            try transaction.commit()
        }
    }

    @Test(arguments: [0, 512])
    func `a key that is empty or longer than 511 bytes is refused`(count: Int) throws {
        try withEnvironment { environment, table in
            let key = [UInt8](repeating: 1, count: count)
            #expect(throws: LMDBError.self) { try environment.put([1], at: key, in: table) }
        }
    }

    @Test func `a reader does not create a missing table`() throws {
        try withEnvironment { environment, _ in
            #expect(throws: LMDBError.self) {
                try environment.read { (transaction) throws(LMDBError) in
                    try Table("another", creating: false, in: transaction)
                }
            }
        }
    }
}
