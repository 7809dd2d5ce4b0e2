import HTTP
import Testing
import Values

@testable import Queues

@Suite struct FailureAllowanceTests {
    private static let now = Timestamp(microseconds: 1_000_000_000)
    private static let allowance = FailureAllowance(burst: 3, seconds: 2)

    private static func later(_ seconds: Double) -> Timestamp { now.adding(seconds: seconds) }

    @Test(
        arguments: [
            ([], 0, nil), ([0], 0, nil), ([0, 0], 0, nil), ([0, 0, 0], 0, 2), ([0, 0, 0], 1.5, 0.5),
            ([0, 0, 0], 2, nil), ([0, 0, 0, 2], 2, 2), ([0, 0, 0, 2], 4, nil), ([0, 0, 0], 6, nil),
            ([0, 0, 0, 6, 6], 6, nil), ([0, 0, 0, 6, 6, 6], 6, 2), ([0, 100, 100], 100, nil), ([0, 0, 0], -2, 4),
            ([0, 0, 0], -1000, 8),
        ] as [([Double], Double, Double?)])
    func `a burst of failures is allowed at once, and then one per interval`(
        failures: [Double], seconds: Double, delay: Double?
    ) {
        var forgiven: Timestamp?
        for time in failures { forgiven = Self.allowance.failed(forgiven, at: Self.later(time)) }
        #expect(Self.allowance.delay(forgiven, at: Self.later(seconds)) == delay)
    }
}

@Suite struct LoginLimitsTests {
    private static let now = Timestamp(microseconds: 5_000_000_000)

    private func failed(_ count: Int, _ record: LoginRecord = LoginRecord()) -> LoginRecord {
        (0..<count).reduce(record) { record, _ in LoginLimits.failed(record, at: Self.now) }
    }

    private func delay(_ record: LoginRecord, after seconds: Double = 0) -> Double? {
        LoginLimits.delay(record, at: Self.now.adding(seconds: seconds))
    }

    @Test func `a user may fail twenty times at once, and then every three seconds`() {
        #expect(delay(LoginRecord()) == nil)
        #expect(delay(failed(19)) == nil)
        #expect(delay(failed(20)) == 3)
        #expect(delay(failed(20), after: 3) == nil)
        #expect(delay(failed(20), after: 2.9) != nil)
    }

    @Test func `an address may fail a hundred times at once, and then every second, for all users together`() {
        var record = LoginRecord()
        for _ in 0..<100 {
            #expect(delay(record) == nil)
            record = LoginLimits.failed(LoginRecord(address: record.address), at: Self.now)
        }
        #expect(delay(LoginRecord(address: record.address)) == 1)
        #expect(delay(LoginRecord(address: record.address), after: 1) == nil)
    }

    @Test func `a failure counts for the address and the user, and the longer delay applies`() {
        let record = failed(100)
        #expect(record.address == Self.now.adding(seconds: 100))
        #expect(record.user == Self.now.adding(seconds: 300))
        #expect(record.userAtAddress == nil && record.knownUntil == nil)
        // Not all of these attempts can have been checked: at most twice the burst counts.
        #expect(delay(record) == 63)
    }

    @Test func `failures elsewhere do not lock a user out at an address of an earlier login`() throws {
        let known = try #require(LoginLimits.succeeded(failed(20), at: Self.now))
        #expect(LoginLimits.isKnown(known, at: Self.now))
        #expect(delay(known) == nil)
        let failed = failed(20, known)
        #expect(failed.user == known.user)
        #expect(delay(failed) == 3)
        // After a month the user's own count applies again.
        let month = LoginLimits.knownSeconds
        #expect(!LoginLimits.isKnown(known, at: Self.now.adding(seconds: month)))
        #expect(LoginLimits.isKnown(known, at: Self.now.adding(seconds: month - 1)))
        #expect(
            delay(LoginRecord(user: Self.now.adding(seconds: month + 60), knownUntil: known.knownUntil), after: month)
                == 3)
    }

    @Test func `an address with many failures is slowed down even after a login from there`() throws {
        let record = LoginRecord(address: Self.now.adding(seconds: 100), knownUntil: Self.now.adding(seconds: 9))
        #expect(delay(record) == 1)
    }

    @Test(arguments: [(0, false), (86_399, false), (86_401, true), (40 * 86_400, true)])
    func `a login is recorded once a day`(seconds: Double, isNoted: Bool) throws {
        let first = try #require(LoginLimits.succeeded(LoginRecord(), at: Self.now))
        let later = Self.now.adding(seconds: seconds)
        #expect((LoginLimits.succeeded(first, at: later) != nil) == isNoted)
    }

    @Test func `a login does not reset the failures`() throws {
        let record = failed(7)
        let known = try #require(LoginLimits.succeeded(record, at: Self.now))
        #expect(known.address == record.address && known.user == record.user)
    }

    @Test(
        arguments: [
            ("1.2.3.4", [1, 2, 3, 4]), ("::ffff:1.2.3.4", [1, 2, 3, 4]),
            ("2001:db8:1:2:3:4:5:6", [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2]),
            ("2001:db8:1:2::9", [0x20, 1, 0xd, 0xb8, 0, 1, 0, 2]), (nil, nil), ("", nil), ("unix:", nil),
        ] as [(String?, [UInt8]?)])
    func `IPv4 addresses count one by one, and IPv6 addresses by their /64 network`(address: String?, network: [UInt8]?)
    {
        #expect(LoginAttempt(name: "u", address: address).network == network)
    }
}
