internal import Encodings

/// The target of a request: path and query as they were sent (RFC 9112, section 3.2), and the decoded path segments
/// below the mount point.
package struct Target: Sendable {
    /// The path's segments after the mount point, each percent-decoded once. A segment that does not decode to UTF-8 is
    /// left as sent, and matches no route. `nil` if the path is outside the mount point.
    package let segments: [String]?
    /// Whether each segment of the path decodes to UTF-8.
    package let isText: Bool
    /// The query as sent, without its question mark; `nil` if there was no query.
    package var query: ArraySlice<UInt8>? { pathEnd < raw.endIndex ? raw[(pathEnd + 1)...] : nil }

    private let raw: ArraySlice<UInt8>
    private let pathEnd: Int
    /// How many segments of the path the mount point has.
    private let mountCount: Int

    /// - Parameters:
    ///   - raw: the target as the client sent it.
    ///   - mountPoint: the decoded segments of the path where the application is mounted; empty for the root.
    package init(raw: ArraySlice<UInt8>, mountPoint: [String]) {
        self.raw = raw
        pathEnd = raw.firstIndex(of: UInt8(ascii: "?")) ?? raw.endIndex
        mountCount = mountPoint.count
        let path = raw[..<pathEnd]

        var decoded: [String] = []
        var isText = true
        for segment in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let text = percentDecoded(segment)
            isText = isText && text != nil
            decoded.append(text ?? String(decoding: segment, as: UTF8.self))
        }
        let isInside = path.first == UInt8(ascii: "/") && decoded.starts(with: mountPoint)
        segments = isInside ? Array(decoded[mountPoint.count...]) : nil
        self.isText = isText
    }

    /// The path after its first `count` segments, as sent: empty, or with its leading slash.
    package func rest(after count: Int) -> ArraySlice<UInt8> {
        var rest = raw[..<pathEnd]
        for _ in 0..<mountCount + count {
            rest = rest.dropFirst()
            rest = rest[(rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex)...]
        }
        return rest
    }

    /// The path up to `rest(after:)`, and that rest, as sent.
    package func path(splitAfter count: Int) -> (ArraySlice<UInt8>, rest: ArraySlice<UInt8>) {
        let rest = rest(after: count)
        return (raw[..<rest.startIndex], rest)
    }

    /// The names of the query's parameters, decoded, in their order.
    package var queryNames: [String] {
        (query ?? []).split(separator: UInt8(ascii: "&")).map { pair in
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            return percentDecoded(name, plusIsBlank: true) ?? String(decoding: name, as: UTF8.self)
        }
    }

    /// The decoded value of a query parameter, with `+` as a blank; the first one if it is repeated. A value that does
    /// not decode to UTF-8 is returned as sent.
    package func queryValue(_ name: String) -> String? {
        guard let query else { return nil }
        for pair in query.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard percentDecoded(parts[0], plusIsBlank: true) == name else { continue }
            guard parts.count == 2 else { return "" }
            return percentDecoded(parts[1], plusIsBlank: true) ?? String(decoding: parts[1], as: UTF8.self)
        }
        return nil
    }
}

/// Why a query parameter is refused, as a sentence.
package struct QueryError: Error, Equatable, Sendable {
    package let reason: String

    package init(reason: String) { self.reason = reason }
}

extension Target {
    /// The whole number in a query parameter; `nil` if there is no such parameter.
    package func wholeNumber(_ name: String, in range: ClosedRange<Int>) throws(QueryError) -> Int? {
        guard let text = queryValue(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            let bounds = "\(range.lowerBound) to \(range.upperBound)"
            throw QueryError(reason: "The query parameter \"\(name)\" must be a whole number from \(bounds).")
        }
        return number
    }

    /// How long a client will wait, by the query parameter `wait`; 0 without it.
    package func waitMilliseconds() throws(QueryError) -> Int {
        guard let text = queryValue("wait") else { return 0 }
        guard let seconds = Double(text), (0...60).contains(seconds) else {
            throw QueryError(reason: "The query parameter \"wait\" must be a number of seconds from 0 to 60.")
        }
        return Int(seconds * 1000)
    }
}
