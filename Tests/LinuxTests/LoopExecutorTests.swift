import Glibc
import Testing

@testable import Linux

@Suite struct LoopExecutorTests {
    private struct Failure: Error, Equatable {}

    @Test func `a function and what it awaits run on the calling thread, and its error is thrown`() throws {
        let thread = pthread()
        let ran = LoopExecutor().run { () async in
            await Task.yield()
            return await Self.isOn(thread)
        }
        #expect(ran)
        #expect(throws: Failure()) { try LoopExecutor().run { () async throws(Failure) in throw Failure() } }
    }

    private static func isOn(_ thread: UInt) async -> Bool { pthread() == thread }

    @Test func `resumed tasks continue when the loop drains, in the order in which they were resumed`() {
        let executor = LoopExecutor()
        nonisolated(unsafe) var events: [String] = []
        nonisolated(unsafe) var waiting: [UnsafeContinuation<Void, Never>] = unsafe []
        for name in ["a", "b", "c"] {
            Task<Void, Never>.immediate(executorPreference: executor) {
                unsafe events.append("\(name) begins")
                unsafe await withUnsafeContinuation { unsafe waiting.append($0) }
                unsafe events.append("\(name) continues")
            }
        }
        executor.drain()
        unsafe #expect(events == ["a begins", "b begins", "c begins"])
        while unsafe !waiting.isEmpty { unsafe waiting.removeLast().resume() }
        unsafe #expect(events.count == 3)
        executor.drain()
        unsafe #expect(events.suffix(3) == ["c continues", "b continues", "a continues"])
    }

    @Test func `a job may drain the executor that runs it`() {
        let executor = LoopExecutor()
        let order = executor.run { () async -> [Int] in
            nonisolated(unsafe) var order = [1]
            Task<Void, Never>.immediate(executorPreference: executor) { unsafe order.append(2) }
            executor.drain()
            unsafe order.append(3)
            return unsafe order
        }
        #expect(order == [1, 2, 3])
    }

    @Test func `a job that another thread enqueues ends the process`() async {
        await #expect(processExitsWith: .failure) {
            let executor = LoopExecutor()
            _ = PlainThread.start { Task<Void, Never>(executorPreference: executor) {} }
            SystemClock.sleep(microseconds: 10_000_000)
        }
    }
}

private func pthread() -> UInt { UInt(pthread_self()) }
