import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Linux

@Suite struct SignalsTests {
    @Test func `a thread reads the signals that are sent to it`() throws {
        let found = Mutex<[CInt]>([])
        let isReady = Mutex(false)
        let thread = PlainThread {
            guard let queue = try? SignalQueue([Signal.hangUp, Signal.terminate]), queue.next() == nil else { return }
            isReady.withLock { $0 = true }
            _ = holds {
                while let signal = queue.next() { found.withLock { $0.append(signal) } }
                return found.withLock { $0.count } == 2
            }
        }
        #expect(holds { isReady.withLock { $0 } })
        thread.send(Signal.hangUp)
        #expect(holds { found.withLock { $0 } == [Signal.hangUp] })
        thread.send(Signal.terminate)
        thread.join()
        #expect(found.withLock { $0 } == [Signal.hangUp, Signal.terminate])
    }

    @Test func `a process whose parent has already ended gets the signal at once`() async {
        // The threads that tests run on have other signals blocked.
        await #expect(processExitsWith: .signal(Signal.kill)) {
            Signal.send(Signal.kill, whenParentDies: 0)
        }
    }

    @Test func `a process whose parent is alive gets no signal`() async {
        await #expect(processExitsWith: .success) {
            Signal.send(Signal.terminate, whenParentDies: Machine.parentProcessID)
        }
    }

    @Test func `the limit of descriptors is raised to its hard limit`() {
        let raised = raiseDescriptorLimit()
        var limit = rlimit()
        #expect(unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        #expect(limit.rlim_cur == limit.rlim_max && raised == Int(clamping: limit.rlim_max))
    }
}
