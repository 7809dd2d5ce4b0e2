import SystemPackage
import Testing

@testable import Linux

@Suite struct MachineTests {
    @Test func `the machine has an id, processors and users`() {
        #expect(Machine.bootID().utf8.count == 36)
        #expect(Machine.bootID() == Machine.bootID())
        #expect(Machine.processorCount() >= 1)
        #expect(Machine.user(named: "root").map { $0 == (0, 0) } == true)
        #expect(Machine.user(named: "nobody in particular") == nil)
        #expect(Machine.processID != Machine.parentProcessID)
    }

    @Test func `the list of variables has the names of the environment`() {
        let variables = Machine.environment()
        #expect(variables["PATH"] != nil)
        #expect(
            Set(Machine.environmentList().compactMap { $0.split(separator: "=").first.map(String.init) })
                == Set(variables.keys))
    }

    @Test func `the clocks count microseconds, and go forwards`() {
        let boot = SystemClock.bootTimeMicroseconds()
        #expect(boot > 0 && SystemClock.bootTimeMicroseconds() >= boot)
        #expect((1_600_000_000_000_000..<4_000_000_000_000_000).contains(SystemClock.realTimeMicroseconds()))
    }
}
