/// Runs long work outside the loop, so that neither the loop's other requests nor other processes wait for it.
package protocol Background: AnyObject {
    /// Enqueues `work` for another thread.
    /// - Parameter done: called with the result in the caller's thread, before this returns or later.
    /// - Returns: false if too much work waits already; then `work` is not run.
    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value, done: @escaping (Value) -> Void) -> Bool
}

/// Runs all work at once in the caller's thread, for programs that have nothing else to do meanwhile.
package final class NoBackground: Background {
    package init() {}

    package func run<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value, done: @escaping (Value) -> Void
    ) -> Bool {
        done(work())
        return true
    }
}

extension Background {
    /// Runs `work` in another thread and waits for its result; `nil` if too much work waits already.
    package func result<Value: Sendable>(of work: @escaping @Sendable () -> Value) async -> Value? {
        var result: Value?
        unsafe await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let isBegun = run(work) { value in
                result = value
                unsafe continuation.resume()
            }
            if !isBegun { unsafe continuation.resume() }
        }
        return result
    }
}
