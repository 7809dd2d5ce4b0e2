import Linux
import SystemPackage
import Testing

@testable import PostroomService

@Suite struct SupervisedProcessTests {
    private func process() -> SupervisedProcess {
        SupervisedProcess("test") { (_) throws(Errno) in try ChildProcess("/bin/true", [], environment: []) }
    }

    @Test func `the pauses before restarts double from 0.1 to 30 seconds`() {
        let process = process()
        let pauses = (0..<100).map { _ in process.planRestart(at: 5) }
        #expect(Array(pauses.prefix(12)) == [0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30])
        #expect(pauses.last == 30)
        #expect(process.restartsAt == 30_000_005)
    }

    @Test func `after ten seconds of running the pauses start over`() throws {
        let process = process()
        for _ in 0..<5 { process.planRestart(at: 0) }
        try process.launch(at: 1_000_000)
        _ = try process.process?.waitForEnding()
        #expect(process.restartsAt == nil)
        #expect(process.planRestart(at: 10_999_999) == 1.6)
        try process.launch(at: 11_000_000)
        _ = try process.process?.waitForEnding()
        #expect(process.planRestart(at: 21_000_000) == 0)
        #expect(process.restartsAt == 21_000_000)
    }

    @Test func `a restart counts as paused after a second, a process as reliable after ten`() throws {
        let process = process()
        try process.launch(at: 0)
        _ = try process.process?.waitForEnding()
        #expect(process.isReliable(at: 0) && !process.isPaused)
        for pause in [0, 0.1, 0.2, 0.4, 0.8] {
            #expect(process.planRestart(at: 1) == pause)
            #expect(!process.isPaused && !process.isReliable(at: 1))
        }
        process.planRestart(at: 1)
        #expect(process.isPaused)
        try process.launch(at: 2_000_000)
        _ = try process.process?.waitForEnding()
        #expect(!process.isPaused)
        #expect(!process.isReliable(at: 11_999_999) && process.isReliable(at: 12_000_000))
    }

    @Test func `a successor replaces the running process`() throws {
        let process = process()
        try process.launch(at: 0)
        let old = try #require(process.process)
        for _ in 0..<3 { process.planRestart(at: 1) }
        let pipe = try openPipe()
        defer {
            try? pipe.reading.close()
            try? pipe.writing.close()
        }
        let successor = try process.launchSuccessor(ready: pipe.writing)
        #expect(process.replace(with: successor, at: 2) == nil)
        #expect(process.process?.processID == successor.processID)
        #expect(process.restartsAt == nil)
        #expect(process.planRestart(at: 3) == 0)
        process.abandon()
        #expect(process.process == nil && process.restartsAt == nil)
        for child in [old, successor] { #expect(try child.waitForEnding() == .exited(0)) }
    }

    @Test func `a program that cannot be started is an error`() {
        let process = SupervisedProcess("test") { (_) throws(Errno) in throw .noSuchFileOrDirectory }
        #expect(throws: Errno.noSuchFileOrDirectory) { try process.launch(at: 0) }
        #expect(process.process == nil)
    }
}
