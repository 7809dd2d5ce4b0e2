import Linux
import Testing

@testable import Postroom

@Suite struct WatchdogTests {
    private func sign(
        _ beats: UInt64, _ state: Character = "S", ticks: UInt64 = 0, waiting: Bool = false
    ) -> Watchdog.Sign {
        Watchdog.Sign(
            beats: beats, isWaitingForLock: waiting,
            status: ProcessStatus(state: state.asciiValue ?? 0, parent: 1, processorTicks: ticks))
    }

    /// How often one looks until the process is taken for stuck; `nil` where it is not within 1,000 looks.
    private func looksUntilStuck(_ sign: (UInt64) -> Watchdog.Sign) -> Int? {
        var watchdog = Watchdog()
        for look in 0..<1000 where watchdog.look(at: 7, sign(UInt64(look))) != .well { return look }
        return nil
    }

    @Test func `a process that is stopped is stuck after eight seconds, also while it starts`() {
        #expect(looksUntilStuck { _ in sign(5, "T") } == 16)
        #expect(looksUntilStuck { _ in sign(0, "T") } == 16)
        #expect(looksUntilStuck { _ in sign(5, "T", waiting: true) } == 16)
    }

    @Test func `a process that sleeps in the middle of its work is stuck after eight seconds`() {
        #expect(looksUntilStuck { _ in sign(5) } == 16)
    }

    @Test(arguments: ["R", "D", "t"] as [Character])
    func `a process that works, waits for a device or is looked at by a debugger has a minute`(state: Character) {
        #expect(looksUntilStuck { _ in sign(5, state) } == 120)
    }

    @Test func `a process that uses the processor works, whatever its state is when one looks`() {
        #expect(looksUntilStuck { look in sign(5, ticks: look) } == 120)
    }

    @Test func `a loop that turns, one that starts and one that waits for the lock are well`() {
        #expect(looksUntilStuck { look in sign(1 + look) } == nil)
        #expect(looksUntilStuck { _ in sign(0) } == nil)
        #expect(looksUntilStuck { _ in sign(5, waiting: true) } == nil)
    }

    @Test func `what was silent for less and turns again begins anew`() {
        #expect(looksUntilStuck { look in sign(1 + look / 15) } == nil)
        #expect(looksUntilStuck { look in sign(5 + look / 9, look % 9 == 8 ? "S" : "T") } == nil)
    }

    @Test func `processes are told apart, and a number that is used again is that of another process`() {
        var watchdog = Watchdog()
        for _ in 0..<16 { #expect(watchdog.look(at: 1, sign(5, "T")) == .well) }
        #expect(watchdog.look(at: 2, sign(5, "T")) == .well)
        watchdog.forgetAll(but: [2])
        #expect(watchdog.look(at: 1, sign(5, "T")) == .well)
    }
}
