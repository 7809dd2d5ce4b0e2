import Capture
import HTTP
import LMDB
import Linux
import StoreSupport
import SystemPackage
import TestSupport
import Testing
import Values

@testable import MappedStore

@Suite struct SteadyClockTests {
    /// The clock of a new store, and its clock after `stored` was written and the store was reopened.
    private func clock(after stored: SteadyClock?) throws -> (SteadyClock, SteadyClock) {
        try withTemporaryDirectory { directory in
            let first: SteadyClock
            do {
                let store = try open(directory)
                first = store.clock
                if let stored {
                    try store.write { (transaction) throws(LMDBError) in
                        try store.tables.clock.put(stored, in: &transaction)
                    }
                }
                try store.commit()
            }
            return (first, try open(directory).clock)
        }
    }

    @Test func `the clock does not change while the machine runs`() throws {
        let (first, second) = try clock(after: nil)
        #expect(first == second)
        let moved = SteadyClock(bootID: Machine.bootID(), offsetMicroseconds: 12345)
        #expect(try clock(after: moved).1 == moved)
    }

    @Test func `after a restart of the machine the clock gets a new offset`() throws {
        let old = SteadyClock(bootID: "another start", offsetMicroseconds: 12345)
        let (_, clock) = try clock(after: old)
        #expect(clock.bootID == Machine.bootID())
        let moment = clock.now()
        #expect(abs(moment.wall.seconds(since: moment.steady)) < 5)
    }

    @Test(arguments: [1, 1_000_000])
    func `after a restart the clock goes on, even if the time of day has gone back`(seconds: Double) throws {
        try withTemporaryDirectory { directory in
            let shown: Timestamp
            do {
                let store = try open(directory)
                shown = store.clock.now().steady.adding(seconds: seconds)
                let moment = Moment(wall: shown, steady: shown)
                #expect(
                    try store.capture.create(endpointID(1), for: nil, at: moment, CaptureLimits())
                        == .created(endpointID(1)))
                let old = SteadyClock(bootID: "another start", offsetMicroseconds: 0)
                try store.write { (transaction) throws(LMDBError) in
                    try store.tables.clock.put(old, in: &transaction)
                }
                try store.commit()
            }
            let now = try open(directory).clock.now().steady
            #expect(now >= shown && now.seconds(since: shown) < 5)
        }
    }

    @Test func `an impossible time does not move the clock`() {
        let clock = SteadyClock.starting(after: Timestamp(microseconds: .max))
        #expect(abs(clock.now().wall.seconds(since: clock.now().steady)) < 5)
    }

    @Test func `the clock does not go back`() {
        let clock = SteadyClock.starting()
        let first = clock.now()
        #expect(clock.now().steady >= first.steady)
    }

    @Test func `a clock is read back, and truncation is detected`() {
        let clock = SteadyClock(bootID: "id", offsetMicroseconds: -5)
        #expect(SteadyClock(clock.encoded) == clock)
        for count in 0..<clock.encoded.count {
            #expect(SteadyClock(Array(clock.encoded.prefix(count))) == nil)
        }
    }
}
