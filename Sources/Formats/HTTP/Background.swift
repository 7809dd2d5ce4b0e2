/// Does what takes long beside the loop, so that neither its other requests nor other processes wait for it.
package protocol Background: AnyObject {
    /// Has `work` done, in another thread.
    /// - Parameter done: called with the result in the caller's thread, later or before this returns.
    /// - Returns: false where too much waits to be done already; then nothing is done.
    func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value, done: @escaping (Value) -> Void) -> Bool
}

/// Does everything at once, for programs that have nothing else to do meanwhile.
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
    /// The result of `work`, which is done in another thread meanwhile; `nil` where too much waits to be done already.
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
