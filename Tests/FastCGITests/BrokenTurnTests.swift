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

/// A service whose requests share a transaction, like those of a store.
private final class SharingService: Service {
    /// What was committed, and what the next commit will add.
    private(set) var kept: [String] = []
    private var open: [String] = []
    private(set) var isTurnBroken = false
    /// Blocks the first answer until all requests of the test have arrived.
    var holds: (() -> Void)?

    func answer(_ request: Request, _ context: any RequestContext) async throws(StoreFailure) -> Answer {
        holds?()
        holds = nil
        let path = request.target.segments ?? []
        if isTurnBroken { return .whole(.text(.serviceUnavailable, "broken")) }
        switch path.first {
        case "breaks":
            isTurnBroken = true
            return .whole(.text(.internalServerError, "damaged"))
        case "kept":
            return .whole(.text(.ok, kept.joined(separator: " ")))
        default:
            open.append(path.joined(separator: "/"))
            return try await context.committed(.text(.created, path.joined(separator: "/")))
        }
    }

    func forgetTurn() {
        open = []
        isTurnBroken = false
    }

    func commit() -> CommitOutcome {
        let written = open
        open = []
        if written.isEmpty { return .nothing }
        if written.contains("large") { return .failed(.full) }
        kept += written
        return .committed
    }

    func response(to failure: StoreFailure, at target: Target) -> Response { .failure(failure) }

    var version: UInt64? { nil }
}

/// A request that fails does not make the other requests of its turn fail.
@Suite struct BrokenTurnTests {
    /// Sends requests that are answered in one turn.
    /// - Returns: their statuses, and what was committed.
    private func answer(_ paths: [String]) throws -> (statuses: [Int], kept: String) {
        var result: (statuses: [Int], kept: String) = ([], "")
        try withTemporaryDirectory { directory in
            let path = directory.appending("socket")
            let listener = try UnixSocket.listen(at: path, backlog: 64)
            defer { try? listener.close() }
            let isSent = Sent()
            let thread = PlainThread {
                do {
                    let service = SharingService()
                    service.holds = { _ = holds { isSent.value.load(ordering: .sequentiallyConsistent) } }
                    let loop = try ResponderLoop(
                        listener: listener, service: service, bodyLimit: 1000,
                        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
                    isSent.isReady.store(true, ordering: .sequentiallyConsistent)
                    try ResponderLoop.run(loop, shutdownSeconds: 5)
                } catch {
                    Issue.record("the loop ended: \(error)")
                }
            }
            #expect(holds { isSent.isReady.load(ordering: .sequentiallyConsistent) })
            defer {
                thread.send(Signal.terminate)
                thread.join()
            }
            let connections = try paths.map { _ in try WireConnection(path) }
            let first = try WireConnection(path)
            // The loop is blocked in this answer while the others arrive.
            try first.send(Wire.request("/kept"))
            for (connection, path) in zip(connections, paths) { try connection.send(Wire.request("/" + path)) }
            isSent.value.store(true, ordering: .sequentiallyConsistent)
            _ = try first.answer()
            result.statuses = try connections.map { try $0.answer()?.status ?? 0 }
            result.kept = try first.ask("/kept")?.text ?? ""
        }
        return result
    }

    private final class Sent: Sendable {
        let value = Atomic<Bool>(false)
        let isReady = Atomic<Bool>(false)
    }

    @Test(arguments: [
        ["breaks", "a", "b"], ["a", "breaks", "b"], ["a", "b", "breaks"], ["breaks", "a", "breaks", "b", "breaks"],
    ])
    func `a request that breaks the transaction of its turn fails alone`(paths: [String]) throws {
        let (statuses, kept) = try answer(paths)
        #expect(statuses == paths.map { $0 == "breaks" ? 500 : 201 })
        #expect(kept.split(separator: " ").sorted() == ["a", "b"])
    }

    @Test func `a request for which the commit has no room fails alone`() throws {
        let (statuses, kept) = try answer(["a", "large", "b"])
        #expect(statuses == [201, 507, 201])
        #expect(kept.split(separator: " ").sorted() == ["a", "b"])
    }
}
