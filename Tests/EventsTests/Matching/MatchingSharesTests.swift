import HTTP
import Testing
import Values

@testable import Events

@Suite struct MatchingSharesTests {
    private let heavy = UUID(bytes: [UInt8](repeating: 1, count: 16))!
    private let light = UUID(bytes: [UInt8](repeating: 2, count: 16))!
    private let start = Timestamp(microseconds: 1_000_000)

    private func shares() -> MatchingShares {
        var shares = MatchingShares()
        shares.add(heavy)
        shares.add(light)
        return shares
    }

    @Test func `an owner that takes much time pauses for a while, and another one does not`() {
        var shares = shares()
        shares.charge(heavy, 0.1, at: start)
        shares.charge(light, 0.001, at: start)
        // Half of the time is paid back.
        let overdrawn = [(heavy, 0.0), (light, 0), (heavy, 0.15), (heavy, 0.17)].map { owner, seconds in
            shares.isOverdrawn(owner, at: start.adding(seconds: seconds))
        }
        #expect(overdrawn == [true, false, true, false])
    }

    @Test func `a single owner shares with nobody`() {
        var shares = shares()
        #expect(shares.isShared)
        shares.remove(light)
        #expect(!shares.isShared)
    }
}
