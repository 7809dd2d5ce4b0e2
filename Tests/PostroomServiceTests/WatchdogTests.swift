import Linux
import Testing

@testable import PostroomService

@Suite struct WatchdogTests {
    private func sign(
        _ beats: UInt64, _ state: Character = "S", ticks: UInt64 = 0, waiting: Bool = false
    ) -> Watchdog.Sign {
        Watchdog.Sign(
            beats: beats, isWaitingForLock: waiting,
            status: ProcessStatus(state: state.asciiValue ?? 0, parent: 1, processorTicks: ticks))
    }

    /// The number of looks until the process counts as stuck, or `nil` if it does not within 1,000 looks.
    private func looksUntilStuck(_ sign: (UInt64) -> Watchdog.Sign) -> Int? {
        var watchdog = Watchdog()
        for look in 0..<1000 where watchdog.look(at: 7, sign(UInt64(look))) != .well { return look }
        return nil
    }

    @Test func `a stopped process is stuck after three seconds, even while it starts`() {
        #expect(looksUntilStuck { _ in sign(5, "T") } == 6)
        #expect(looksUntilStuck { _ in sign(0, "T") } == 6)
        #expect(looksUntilStuck { _ in sign(5, "T", waiting: true) } == 6)
    }

    @Test func `a process that sleeps during its work is stuck after eight seconds`() {
        #expect(looksUntilStuck { _ in sign(5) } == 16)
    }

    @Test(arguments: ["R", "D", "t"] as [Character])
    func `a process that runs, waits for a device or is traced is stuck after a minute`(state: Character) {
        #expect(looksUntilStuck { _ in sign(5, state) } == 120)
    }

    @Test func `a process that uses the processor counts as running, whatever its state`() {
        #expect(looksUntilStuck { look in sign(5, ticks: look) } == 120)
    }

    @Test func `a loop that beats, one that starts and one that waits for the lock are well`() {
        #expect(looksUntilStuck { look in sign(1 + look) } == nil)
        #expect(looksUntilStuck { _ in sign(0) } == nil)
        #expect(looksUntilStuck { _ in sign(5, waiting: true) } == nil)
    }

    @Test func `a heartbeat in time starts the count over`() {
        #expect(looksUntilStuck { look in sign(1 + look / 15) } == nil)
        #expect(looksUntilStuck { look in sign(5 + look / 6, look % 6 == 5 ? "S" : "T") } == nil)
    }

    @Test func `each process has its own count, and a reused process id has a new one`() {
        var watchdog = Watchdog()
        for _ in 0..<6 { #expect(watchdog.look(at: 1, sign(5, "T")) == .well) }
        #expect(watchdog.look(at: 2, sign(5, "T")) == .well)
        watchdog.forgetAll(but: [2])
        #expect(watchdog.look(at: 1, sign(5, "T")) == .well)
    }
}
