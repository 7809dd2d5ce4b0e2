import Capture
import HTTP
import LMDB
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

/// The records of endpoints among their notifications.
@Suite struct HeadTableTests {
    private func heads(of store: MappedStore) throws -> [[UInt64]] {
        try store.read { (transaction) throws(LMDBError) in
            var (forwards, backwards): ([UInt64], [UInt64]) = ([], [])
            try store.tables.endpoints.scan(in: transaction) { number, record in
                if record?.endpoint.number == number { forwards.append(number) }
                return true
            }
            try store.tables.endpoints.scanBackwards(in: transaction) { number, record in
                if record?.endpoint.number == number { backwards.append(number) }
                return true
            }
            return [forwards, backwards]
        }
    }

    private func collect(_ number: Int, for low: UInt64, _ store: MappedStore) throws {
        let now = store.clock.now()
        let request = RequestID(milliseconds: UInt64(now.wall.microseconds / 1000), high: 0, low: low)
        _ = try store.capture.collect(
            from: endpointID(number), for: request, at: now, CaptureLimits(), mayBeLong: false)
    }

    @Test func `all endpoints are found, with and without notifications, in both directions`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            #expect(try heads(of: store) == [[], []])
            for number in 1...6 { try store.create(number) }
            for number in [1, 3, 3, 3, 4, 6, 6] { #expect(try store.accept(at: number) == .stored) }
            try store.commit()
            #expect(try heads(of: store) == [Array(1...6), Array((1...6).reversed())])
            #expect(try store.capture.overview(newest: 3).newest.map(\.number) == [4, 5, 6])
            #expect(try store.capture.overview(newest: 3).total == 6)
            // What was collected from a deleted endpoint stays for a while, without the endpoint.
            for number in [1, 3, 6] {
                try collect(number, for: UInt64(number), store)
                #expect(try store.capture.delete(endpointID(number)))
            }
            try store.commit()
            #expect(try heads(of: store) == [[2, 4, 5], [5, 4, 2]])
            #expect(try store.capture.overview(newest: 2).newest.map(\.number) == [4, 5])
            #expect(try store.capture.overview(newest: 2).total == 3)
            #expect(try store.check().faults == [])
        }
    }

    @Test func `a scan ends when it is told to`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            for number in 1...4 {
                try store.create(number)
                #expect(try store.accept(at: number) == .stored)
            }
            try store.commit()
            try store.read { (transaction) throws(LMDBError) in
                var seen: [UInt64] = []
                try store.tables.endpoints.scan(in: transaction) { number, _ in
                    seen.append(number)
                    return number < 2
                }
                try store.tables.endpoints.scanBackwards(in: transaction) { number, _ in
                    seen.append(number)
                    return number > 3
                }
                #expect(seen == [1, 2, 4, 3])
            }
        }
    }

    @Test func `a scan of the notifications of an endpoint does not read on in the endpoints behind it`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            for number in 1...20 { try store.create(number) }
            for _ in 0..<3 { #expect(try store.accept(at: 5) == .stored) }
            try store.commit()
            try store.read { (transaction) throws(LMDBError) in
                let table = store.tables.notifications.table
                var (seen, others): ([UInt64], Int) = ([], 0)
                try table.scanBytes(
                    from: OwnedNumber(5, 2), before: OwnedNumber(5, .max), in: transaction, unreadable: { others += 1 }
                ) { key, _ in
                    seen.append(key.number)
                    return true
                }
                #expect(seen == [2, 3] && others == 0)
            }
        }
    }

    @Test(arguments: [[UInt8](repeating: 0, count: 3), [UInt8](repeating: 0xFF, count: 20)])
    func `a key of neither kind hides no endpoint`(key: [UInt8]) throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            for number in 1...2 {
                try store.create(number)
                #expect(try store.accept(at: number) == .stored)
            }
            try store.write { (transaction) throws(LMDBError) in
                try store.tables.endpoints.bytes.put([1], at: key, in: &transaction)
            }
            try store.commit()
            #expect(try heads(of: store) == [[1, 2], [2, 1]])
            #expect(
                try store.check().faults == ["The key of an endpoint or a notification cannot be read."])
        }
    }

    @Test func `an endpoint is found by the number in its id, and others by the index alone`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            var random = SystemRandomNumberGenerator()
            let now = store.clock.now()
            let first = Endpoint.ID(random: &random)
            let id = first.numbered(1)
            let created = try store.capture.create(first.numbered, for: nil, from: nil, at: now, CaptureLimits())
            #expect(created == .created(id))
            // This id has the number of another endpoint.
            let other = Endpoint.ID(random: &random).numbered(1)
            #expect(try store.capture.create(other, for: nil, at: now, CaptureLimits()) == .created(other))
            func number(_ id: Endpoint.ID) throws -> UInt64? {
                try store.read { (transaction) throws(LMDBError) in
                    try store.capture.stored(id, in: transaction)?.endpoint.number
                }
            }
            try store.commit()
            #expect(try number(id) == 1)
            #expect(try number(other) == 2)
            #expect(try number(Endpoint.ID(random: &random).numbered(1)) == nil)
            #expect(try number(Endpoint.ID(random: &random)) == nil)
            #expect(try store.capture.delete(id))
            try store.commit()
            #expect(try number(id) == nil)
            #expect(try number(other) == 2)
            #expect(try store.check().faults == [])
        }
    }
}
