internal import Cryptography
internal import HTTP

/// What requests have had begun beside the loop, until they are answered anew and take the result.
final class BackgroundTasks<Value: Sendable> {
    private enum Task {
        case running
        case done(Value)
    }

    /// Of this process alone.
    private let key = (0..<32).map { _ in UInt8.random(in: .min ... .max) }
    private let background: any Background
    private var tasks: [[UInt8]: Task] = [:]
    /// A client that has gone leaves its result behind.
    private static var limit: Int { 256 }

    init(_ background: any Background) { self.background = background }

    /// Names a request: it is the same one where login, path and body are.
    func mark(_ request: Request) -> [UInt8] {
        var text = request.fields.joinedValue(of: "Authorization") ?? []
        text += [0] + Array((request.target.segments ?? []).joined(separator: "/").utf8) + [0]
        if let id = request.id { text += "\(id.milliseconds) \(id.high) \(id.low)".utf8 }
        if case .whole(let body) = request.body { text += [0] + body }
        return DigestAlgorithm.sha256.authenticationCode(of: text, key: key)
    }

    /// Begins a task; false where too much waits already.
    /// - Parameter next: called in the loop with a result, also where the client has gone; returns more work that the task
    ///   has to do, or `nil` where it has ended with this result.
    func begin(
        _ mark: [UInt8], _ work: @escaping @Sendable () -> Value,
        next: @escaping (Value) -> (@Sendable () -> Value)? = { _ in nil }
    ) -> Bool {
        if tasks.count >= Self.limit { tasks = tasks.filter { if case .running = $0.value { true } else { false } } }
        tasks[mark] = .running
        let isBegun = background.run(work) { [weak self] value in
            guard let self, tasks[mark] != nil else { return }
            if let more = next(value), begin(mark, more, next: next) { return }
            tasks[mark] = .done(value)
        }
        if !isBegun { tasks[mark] = nil }
        return isBegun
    }

    func isRunning(_ mark: [UInt8]) -> Bool {
        if case .running = tasks[mark] { true } else { false }
    }

    /// Takes the result; `nil` where there is none.
    func take(_ mark: [UInt8]) -> Value? {
        guard case .done(let value) = tasks[mark] else { return nil }
        tasks[mark] = nil
        return value
    }
}
