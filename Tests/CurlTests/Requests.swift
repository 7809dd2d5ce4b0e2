import Curl
import Linux
import SystemPackage
import TestSupport
import Testing

extension Multi {
    static func forTests(
        connectionsPerHost: Int = 0, idleSeconds: Int = 60, authorities: FilePath? = nil
    ) throws -> Multi {
        try Multi(
            connectionsPerHost: connectionsPerHost, idleSeconds: idleSeconds, dnsSeconds: 60, authorities: authorities)
    }

    /// Waits for the one request in flight.
    func result() throws -> Exchange {
        try #require(inFlight == 1)
        var results: [(token: UInt64, result: Exchange)] = []
        _ = try holds {
            results = try wait(milliseconds: 1000)
            return !results.isEmpty
        }
        return try #require(results.first).result
    }

    func send(_ request: Outgoing) throws -> Exchange {
        try start(request, token: 1)
        return try result()
    }

    /// Waits for all requests in flight.
    func results() throws -> [UInt64: Exchange] {
        var results: [UInt64: Exchange] = [:]
        let isOver = try holds {
            for (token, result) in try wait(milliseconds: 1000) { results[token] = result }
            return inFlight == 0
        }
        try #require(isOver)
        return results
    }
}

extension Receiver {
    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    func request(_ path: String, method: String = "POST", body: String = "{}", timeout: Int = 20_000) -> Outgoing {
        .to(url(path), method: method, body: body, timeout: timeout)
    }
}

extension Outgoing {
    static func to(
        _ url: String, method: String = "POST", body: String = "{}", timeout: Int = 20_000
    ) -> Outgoing {
        Outgoing(method: method, url: url, body: Array(body.utf8), timeoutMilliseconds: timeout) { _ in true }
    }
}

extension Exchange {
    var status: Int? { if case .response(let status, _, _, _) = outcome { status } else { nil } }

    var body: String? {
        if case .response(_, _, let body, _) = outcome { String(decoding: body, as: UTF8.self) } else { nil }
    }

    var isTruncated: Bool? { if case .response(_, _, _, let isTruncated) = outcome { isTruncated } else { nil } }

    var headers: [String] {
        if case .response(_, let headers, _, _) = outcome { headers.map { "\($0): \($1)" } } else { [] }
    }

    var kind: ErrorKind? { if case .failure(let kind, _) = outcome { kind } else { nil } }

    var text: String? { if case .failure(_, let text) = outcome { text } else { nil } }
}
