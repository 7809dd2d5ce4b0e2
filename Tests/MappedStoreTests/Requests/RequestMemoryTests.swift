import Capture
import HTTP
import Linux
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

@Suite struct RequestMemoryTests {
    /// The memory as one process maps it.
    private func map(_ directory: FilePath, segments: Int = RequestMemory.mostSegments) throws -> RequestMemory {
        let numbers = try SharedNumbers(
            file: directory.appending("shared"), count: 8 + RequestMemory.headerNumbers,
            mapped: 8 + RequestMemory.numberCount)
        return RequestMemory(numbers, at: 8, maximumSegments: segments)
    }

    private func request(_ number: UInt64, at milliseconds: UInt64 = 1_700_000_000_000) -> RequestID {
        RequestID(milliseconds: milliseconds, high: number &* 0x9E37_79B9_7F4A_7C15, low: number)
    }

    @Test func `each outcome is the same in another process`() throws {
        try withTemporaryDirectory { directory in
            let (one, other) = (try map(directory), try map(directory))
            let key = EventKey(try #require(UUID("01234567-89ab-cdef-0123-456789abcdef")), .idempotencyKey, "key")
            let outcomes: [Outcome] = [
                .stored, .done, .created(endpointID(7)), .made(key.environment), .event(key), .count(1 << 60),
                .read(queue: 3, cursor: 1 << 52, end: 1 << 53), .count(0),
            ]
            for (number, outcome) in outcomes.enumerated() {
                #expect(other.outcome(of: request(UInt64(number)), upTo: 5) == nil)
                let isRemembered = one.remember(outcome, of: request(UInt64(number)), in: 5)
                #expect(isRemembered)
            }
            for (number, outcome) in outcomes.enumerated() {
                #expect(other.outcome(of: request(UInt64(number)), upTo: 5) == outcome)
                #expect(other.outcome(of: request(UInt64(number)), upTo: 4) == nil)
                #expect(other.outcome(of: request(UInt64(number), at: 1_700_000_000_001), upTo: 5) == nil)
            }
            #expect(other.outcome(of: request(100), upTo: 5) == nil)
        }
    }

    @Test func `what a transaction without a commit has added is discarded, and what was before it stays`() throws {
        try withTemporaryDirectory { directory in
            let memory = try map(directory)
            // All have the same place in the index.
            func similar(_ number: UInt64) -> RequestID { request(number * 64) }
            for number in UInt64(0)..<100 {
                #expect(memory.remember(.count(number), of: similar(number), in: number / 10 + 1))
            }
            memory.discard(from: 6)
            for number in UInt64(0)..<100 {
                #expect(memory.outcome(of: similar(number), upTo: 100) == (number < 50 ? .count(number) : nil))
            }
            #expect(memory.remember(.done, of: similar(70), in: 6))
            memory.discard(from: 7)
            #expect(memory.outcome(of: similar(70), upTo: 6) == .done)
            #expect(memory.outcome(of: similar(0), upTo: 6) == .count(0))
            memory.discard(from: 1)
            #expect(memory.outcome(of: similar(0), upTo: 6) == nil)
            #expect(memory.remember(.stored, of: similar(0), in: 1))
            #expect(memory.outcome(of: similar(0), upTo: 1) == .stored)
        }
    }

    @Test func `requests are kept for two minutes, and their memory is used again after that`() throws {
        try withTemporaryDirectory { directory in
            let memory = try map(directory, segments: 2)
            var (number, now) = (UInt64(0), Int64(1_000_000_000))
            func fill() {
                while memory.remember(.stored, of: request(number, at: UInt64(now / 1000)), in: 1, now: now) {
                    number += 1
                }
            }
            fill()
            let held = number
            #expect(held > 2 * 20_000)
            #expect((0..<held).allSatisfy { memory.outcome(of: request($0, at: 1_000_000), upTo: 1) == .stored })
            now += 120_000_000
            fill()
            #expect(number == held)
            // The first of the two segments was left at once, the other one when it was found full for the last time.
            now += 1_000_000
            fill()
            #expect(number == held + held / 2)
            #expect((held..<number).allSatisfy { memory.outcome(of: request($0, at: 1_121_000), upTo: 1) == .stored })
            #expect((0..<held / 2).allSatisfy { memory.outcome(of: request($0, at: 1_000_000), upTo: 1) == nil })
            #expect((held / 2..<held).allSatisfy { memory.outcome(of: request($0, at: 1_000_000), upTo: 1) == .stored })
        }
    }

    @Test func `without memory it says so, and after clearing it begins anew`() throws {
        try withTemporaryDirectory { directory in
            #expect(!(try map(directory, segments: 0)).remember(.stored, of: request(1), in: 1))
            let memory = try map(directory)
            #expect(memory.remember(.stored, of: request(1), in: 1))
            try memory.clear()
            #expect(memory.outcome(of: request(1), upTo: 1) == nil)
            #expect(memory.remember(.done, of: request(2), in: 1))
            #expect(memory.outcome(of: request(1), upTo: 1) == nil)
            #expect(memory.outcome(of: request(2), upTo: 1) == .done)
        }
    }

    @Test func `a request of a transaction that is rolled back can be made again`() throws {
        try withTemporaryDirectory { directory in
            let store = try open(directory)
            try store.create(1)
            try store.commit()
            #expect(try store.accept(at: 1, for: request(1)) == .stored)
            store.rollBack()
            #expect(try store.accept(at: 1, for: request(1)) == .stored)
            try store.commit()
            #expect(try store.waiting(at: 1) == [1])
            #expect(try store.accept(at: 1, for: request(1)) == .stored)
            try store.commit()
            #expect(try store.waiting(at: 1) == [1])
        }
    }

    @Test(arguments: [true, false])
    func `requests outlive all processes, but neither the machine's run nor another store`(isDurable: Bool) throws {
        try withTemporaryDirectory { directory in
            func opened(boot: String) throws -> MappedStore {
                var options = MappedStore.Options(maximumBytes: 64 << 20, isDurable: isDurable)
                options.bootID = boot
                return try MappedStore(directory: directory, options)
            }
            func posted(_ request: RequestID, boot: String) throws -> Int? {
                let store = try opened(boot: boot)
                #expect(try store.accept(at: 1, for: request) == .stored)
                try store.commit()
                return try store.waiting(at: 1)?.count
            }
            let store = directory.appending("store.mdb")
            try {
                let store = try opened(boot: "one")
                try store.create(1)
                try store.commit()
            }()
            #expect(try posted(request(1), boot: "one") == 1)
            #expect(try posted(request(1), boot: "one") == 1)
            #expect(try posted(request(1), boot: "two") == 2)
            #expect(try posted(request(1), boot: "two") == 2)
            // Another store is put in its place.
            let copy = directory.appending("copy.mdb")
            try opened(boot: "two").compact(to: copy)
            for name in ["store.mdb", "journal"] { try Files.remove(directory.appending(name)) }
            try Files.move(copy, to: store)
            #expect(try posted(request(1), boot: "two") == 3)
        }
    }

    @Test func `processes that end while they open the store forget no requests`() throws {
        try withTemporaryDirectory { directory in
            let state = try SharedState(in: directory)
            func record(_ salt: UInt64, after former: UInt64) -> CheckpointRecord {
                CheckpointRecord(
                    sequence: salt, transaction: 7, end: JournalEnd(), salt: salt, formerSalt: former, journalBytes: 0,
                    isJournaled: true, bootID: "boot", meta: [])
            }
            state.reset(record(1, after: 0))
            #expect(state.requests.remember(.done, of: request(1), in: 7))
            var (written, link) = (record(1, after: 0), UInt64(1))
            // Ended before the record, before the link, and before the end, in each order.
            for steps in [0, 1, 2, 0, 0, 2, 2, 1, 1, 0, 2] {
                #expect(state.keepRequests(of: written, last: 7))
                let next = record(written.salt + 1, after: link)
                state.prepare(next)
                if steps > 0 { written = next }
                if steps > 1 { link = next.salt }
                #expect(state.requests.outcome(of: request(1), upTo: 7) == .done)
            }
            #expect(!state.keepRequests(of: record(90, after: 80), last: 7))
        }
    }
}
