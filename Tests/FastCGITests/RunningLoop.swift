import Glibc
import HTTP
import HTTPTypes
import Linux
import Logging
import Synchronization
import SystemPackage
import TestSupport
import Testing
import Values

@testable import FastCGI

/// The state that a test shares with the service of its loop.
final class Shared: Sendable {
    let isReady = Atomic<Bool>(false)
    let hasEnded = Atomic<Bool>(false)
    let version = Atomic<UInt64>(1)
    /// What `/wait` waits for.
    let news = Atomic<Bool>(false)
    let failsToCommit = Atomic<Bool>(false)
    /// While this is set, a commit does not end.
    let holdsCommit = Atomic<Bool>(false)
    /// Whether answers wait for `beginFlush`.
    let isDurabilitySlow = Atomic<Bool>(false)
    /// Whether `beginFlush` leaves the work to the background, which is the test.
    let flushesInBackground = Atomic<Bool>(false)
    let failsToFlush = Atomic<Bool>(false)
    let flushes = Atomic<Int>(0)
    /// The number of commits that are durable.
    let durable = Atomic<UInt64>(0)
    let commits = Atomic<Int>(0)
    let looks = Atomic<Int>(0)
    let parked = Atomic<Int>(0)
    let answered = Atomic<Int>(0)
    let parts = Atomic<Int>(0)
    /// Once this is set, `/parts` has no further parts.
    let endsParts = Atomic<Bool>(false)
    let failsParts = Atomic<Bool>(false)
    /// How many requests have come to `/work`, and whether the work of all of them may end.
    let working = Atomic<Int>(0)
    let endsWork = Atomic<Bool>(false)
    /// Only the thread of the loop uses it.
    nonisolated(unsafe) let background: BackgroundThread
    let source: TestSource

    init() throws {
        unsafe background = try BackgroundThread()
        source = try TestSource()
    }

    func publish() {
        news.store(true, ordering: .sequentiallyConsistent)
        version.wrappingAdd(1, ordering: .sequentiallyConsistent)
    }
}

/// What `/ask` waits for. Any thread may finish it, and the loop learns of that in `work`.
final class TestSource: LoopSource, Sendable {
    private let pipe: (read: FileDescriptor, write: FileDescriptor)
    private let result = Mutex<String?>(nil)
    /// The requests that wait for it; only the thread of the loop uses them.
    nonisolated(unsafe) var waiting: [Wakeup] = []
    /// Whether a stop must wait for the result.
    let hasBegun = Atomic<Bool>(false)

    init() throws {
        let ends = try FileDescriptor.pipe(options: .nonBlocking)
        pipe = (ends.readEnd, ends.writeEnd)
    }

    deinit {
        try? pipe.read.close()
        try? pipe.write.close()
    }

    func finish() throws { _ = try pipe.write.writeAll([1]) }

    var reply: String? { result.withLock { $0 } }

    var descriptor: FileDescriptor { pipe.read }

    var dueMicroseconds: Int64? { nil }

    var isBusy: Bool { hasBegun.load(ordering: .sequentiallyConsistent) && reply == nil }

    func work() -> Bool {
        var byte: UInt8 = 0
        let count = unsafe withUnsafeMutableBytes(of: &byte) { unsafe try? pipe.read.read(into: $0) }
        guard count == 1 else { return false }
        result.withLock { $0 = "done" }
        for wakeup in unsafe waiting { wakeup.wake() }
        return true
    }
}

private final class TestInterest: Interest {
    let subject: String

    init(_ subject: String) { self.subject = subject }
}

private final class TestParts: BodyParts {
    private let make: () throws(StoreFailure) -> [UInt8]?

    init(_ make: @escaping () throws(StoreFailure) -> [UInt8]?) { self.make = make }

    func next() async throws(StoreFailure) -> [UInt8]? { try make() }
}

/// A service whose answer depends on the path.
final class TestService: Service {
    private let shared: Shared

    init(_ shared: Shared) { self.shared = shared }

    var sources: [any LoopSource] { [shared.source, unsafe shared.background] }

    func answer(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        shared.answered.wrappingAdd(1, ordering: .relaxed)
        switch request.target.segments?.first {
        case "body":
            return .whole(.text(.ok, describe(request)))
        case "large":
            let count = request.target.queryValue("bytes").flatMap { Int($0) } ?? 0
            return .whole(Response(.ok, body: largeBody(count)))
        case "stored":
            return try await context.committed(.text(.created, "stored"))
        case "parts":
            let parts = TestParts { [shared] () throws(StoreFailure) in
                if shared.failsParts.load(ordering: .sequentiallyConsistent) { throw .unavailable("broken") }
                if shared.endsParts.load(ordering: .sequentiallyConsistent) { return nil }
                shared.parts.wrappingAdd(1, ordering: .relaxed)
                return Array("part ".utf8)
            }
            return try await context.committed(.text(.ok, "begun "), parts)
        case "long":
            guard context.mayBeLong else { return .whole(.text(.serviceUnavailable, "no room")) }
            let parts = TestParts { () throws(StoreFailure) in [UInt8](repeating: 1, count: 65_536) }
            return try await context.committed(.text(.ok, ""), parts)
        case "wait": return try await wait(request, context)
        case "work":
            // Holds its body while another thread works.
            shared.working.wrappingAdd(1, ordering: .sequentiallyConsistent)
            _ = await unsafe shared.background.result { [shared] in
                _ = holds { shared.endsWork.load(ordering: .sequentiallyConsistent) }
            }
            return .whole(.text(.ok, describe(request)))
        case "ask":
            let source = shared.source
            while true {
                if let reply = source.reply {
                    return try await context.committed(.text(.ok, "\(reply) \(describe(request))"))
                }
                shared.parked.wrappingAdd(1, ordering: .relaxed)
                guard await context.outside({ unsafe source.waiting.append($0) }) else {
                    return .whole(.text(.serviceUnavailable, "too late"))
                }
            }
        default:
            return .whole(.notFound)
        }
    }

    private func wait(
        _ request: Request, _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        let milliseconds = request.target.queryValue("ms").flatMap { Int($0) } ?? 60_000
        let interest = TestInterest(request.target.queryValue("for") ?? "")
        let deadline = context.deadline(milliseconds: milliseconds)
        shared.parked.wrappingAdd(1, ordering: .relaxed)
        switch await context.news(for: interest, until: deadline) {
        case .news: return try await context.committed(.text(.ok, "news"))
        case .over: return .whole(.text(.ok, "nothing"))
        case .gone: return .whole(.text(.ok, "gone"))
        case .refused: return .whole(.text(.tooManyRequests, "too many wait"))
        }
    }

    func news(for interests: [any Interest]) async -> [Bool] {
        interests.map { _ in
            shared.looks.wrappingAdd(1, ordering: .relaxed)
            return shared.news.load(ordering: .sequentiallyConsistent)
        }
    }

    private func describe(_ request: Request) -> String {
        switch request.body {
        case .whole(let bytes): "\(request.method.rawValue) \(bytes.count) \(bytes.reduce(0) { ($0 &* 31) &+ Int($1) })"
        case .tooLarge: "too large"
        case .incomplete: "incomplete"
        }
    }

    func commit() -> CommitOutcome {
        _ = holds { !shared.holdsCommit.load(ordering: .sequentiallyConsistent) }
        shared.commits.wrappingAdd(1, ordering: .relaxed)
        if shared.failsToCommit.load(ordering: .relaxed) { return .failed(.unavailable("not kept")) }
        return .committed
    }

    var ticket: UInt64 { UInt64(shared.commits.load(ordering: .sequentiallyConsistent)) }

    func isDurable(_ ticket: UInt64) -> Bool {
        !shared.isDurabilitySlow.load(ordering: .relaxed)
            || shared.durable.load(ordering: .sequentiallyConsistent) >= ticket
    }

    func beginFlush() -> StoreFailure? {
        shared.flushes.wrappingAdd(1, ordering: .sequentiallyConsistent)
        if shared.failsToFlush.load(ordering: .relaxed) { return .unavailable("not flushed") }
        if !shared.flushesInBackground.load(ordering: .relaxed) {
            shared.durable.store(ticket, ordering: .sequentiallyConsistent)
        }
        return nil
    }

    func response(to failure: StoreFailure, at target: Target) -> Response {
        guard case .unavailable(let reason) = failure else { return .failure(failure) }
        return .text(.serviceUnavailable, "\(reason): \(target.segments?.first ?? "")")
    }

    var version: UInt64? { shared.version.load(ordering: .sequentiallyConsistent) }
}

/// The answer of `/body` to a request with this body.
func description(of body: [UInt8]) -> String {
    "\(body.isEmpty ? "GET" : "POST") \(body.count) \(body.reduce(0) { ($0 &* 31) &+ Int($1) })"
}

/// Bytes with a period that is not the size of any buffer.
func largeBody(_ count: Int) -> [UInt8] {
    let period = (0..<251).map { UInt8($0) }
    var body: [UInt8] = []
    body.reserveCapacity(count + period.count)
    while body.count < count { body += period }
    body.removeLast(body.count - count)
    return body
}

/// A real loop behind a real socket, on a thread of its own.
struct RunningLoop {
    let path: FilePath
    let shared: Shared
    private let thread: PlainThread

    /// Runs a loop until `body` returns, and then stops it.
    static func with(
        bodyLimit: Int = 1 << 20, parkedLimit: Int = 2000, sendSeconds: Double = 60, answerBytes: Int = 64 << 20,
        shutdownSeconds: Double = 5, _ body: (RunningLoop) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("socket")
            let listener = try UnixSocket.listen(at: path, backlog: 64)
            defer { try? listener.close() }
            let shared = try Shared()
            let thread = PlainThread {
                do {
                    let loop = try ResponderLoop(
                        listener: listener, service: TestService(shared),
                        bodyLimit: bodyLimit, parkedLimit: parkedLimit, sendSeconds: sendSeconds,
                        answerBytes: answerBytes,
                        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
                    shared.isReady.store(true, ordering: .sequentiallyConsistent)
                    try ResponderLoop.run(loop, shutdownSeconds: shutdownSeconds)
                } catch {
                    Issue.record("the loop ended: \(error)")
                }
                shared.hasEnded.store(true, ordering: .sequentiallyConsistent)
            }
            // Earlier, the loop would not get a signal.
            #expect(holds { shared.isReady.load(ordering: .sequentiallyConsistent) })
            defer {
                if !shared.hasEnded.load(ordering: .sequentiallyConsistent) { thread.send(Signal.terminate) }
                thread.join()
            }
            try body(RunningLoop(path: path, shared: shared, thread: thread))
        }
    }

    func connect() throws -> WireConnection { try WireConnection(path) }

    func send(_ signal: CInt) { thread.send(signal) }
}
