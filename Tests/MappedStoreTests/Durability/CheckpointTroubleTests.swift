import Storage
import Testing

@testable import MappedStore

@Suite struct CheckpointTroubleTests {
    @Test func `a failure is news once, and so is the success after it`() {
        var trouble = CheckpointTrouble()
        #expect(!trouble.note(nil) && trouble.takeNews() == nil)
        #expect(trouble.note("one") && trouble.takeNews() == .failing("one"))
        #expect(!trouble.note("one") && !trouble.note("two") && trouble.takeNews() == nil)
        #expect(trouble.note(nil) && trouble.takeNews() == .succeeding)
        #expect(!trouble.note(nil) && trouble.takeNews() == nil)
    }
}
