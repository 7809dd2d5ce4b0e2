import Testing

@testable import PostroomService

@Suite struct OutsidersTests {
    private func lock(_ processID: Int32, stopped: Bool = true) -> Outsiders.Sign {
        Outsiders.Sign(processID: processID, hold: .lock("write lock"), isStopped: stopped)
    }

    private func pages(_ processID: Int32, _ bytes: Int) -> Outsiders.Sign {
        Outsiders.Sign(processID: processID, hold: .pages(bytes: bytes), isStopped: false)
    }

    /// What looks 1 to 20 find, by their numbers.
    private func findings(_ signs: (Int) -> [Outsiders.Sign]) -> [Int: [Outsiders.Finding]] {
        var outsiders = Outsiders()
        var found: [Int: [Outsiders.Finding]] = [:]
        for look in 1...20 {
            let findings = outsiders.look(signs(look), limitBytes: 100)
            if !findings.isEmpty { found[look] = findings }
        }
        return found
    }

    @Test func `a stopped process with a lock is ended after three seconds, and killed if it does not end`() {
        let reason = "stopped by a signal while it holds the store's write lock"
        #expect(findings { _ in [lock(7)] } == [6: [.end(7, reason)], 10: [.kill(7)]])
    }

    @Test func `a process that runs, or lets go in time, is left alone`() {
        #expect(findings { _ in [lock(7, stopped: false)] }.isEmpty)
        #expect(findings { look in look % 6 == 0 ? [] : [lock(7)] }.isEmpty)
        #expect(findings { look in [lock(7, stopped: look % 6 != 0)] }.isEmpty)
        #expect(findings { look in [lock(Int32(look / 5))] }.isEmpty)
    }

    @Test func `a process with two locks is ended once`() {
        #expect(findings { look in look > 6 ? [] : [lock(7), lock(7)] }.mapValues(\.count) == [6: 1])
    }

    @Test func `a reader is ended at once when it keeps more than the limit`() {
        #expect(findings { _ in [pages(7, 100)] }.isEmpty)
        let reason = "its reading keeps 101 bytes of the store from being used again"
        #expect(findings { look in look == 3 ? [pages(7, 101)] : [pages(7, 50)] } == [3: [.end(7, reason)]])
        #expect(findings { _ in [pages(7, 101)] } == [1: [.end(7, reason)], 5: [.kill(7)]])
    }
}
