internal import Encodings

/// What a request is aimed at: path and query as they were sent (RFC 9112, section 3.2), and the path's decoded segments
/// below the mount point.
package struct Target: Sendable {
    /// The path's segments after the mount point, each percent-decoded once; one that stands for no text is left as it
    /// was sent, and equals no name. `nil` where the path lies outside the mount point.
    package let segments: [String]?
    /// Whether each segment of the path stands for text.
    package let isText: Bool
    /// As sent, without its question mark; `nil` where there was none.
    package var query: ArraySlice<UInt8>? { pathEnd < raw.endIndex ? raw[(pathEnd + 1)...] : nil }

    private let raw: ArraySlice<UInt8>
    private let pathEnd: Int
    /// How many segments of the path the mount point has.
    private let mountCount: Int

    /// - Parameters:
    ///   - raw: the target as the client sent it.
    ///   - mountPoint: where the application is mounted, as path text: `/api`, or `/` or nothing for the root.
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

    /// The names of the query's parameters, decoded, in their order.
    package var queryNames: [String] {
        (query ?? []).split(separator: UInt8(ascii: "&")).map { pair in
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            return percentDecoded(name, plusIsBlank: true) ?? String(decoding: name, as: UTF8.self)
        }
    }

    /// The value of a query parameter, decoded, `+` being a blank; the first where it is repeated. One that stands for no
    /// text is left as it was sent.
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

/// Why a query parameter cannot be taken, as a sentence.
package struct QueryError: Error, Equatable, Sendable {
    package let reason: String

    package init(reason: String) { self.reason = reason }
}

extension Target {
    /// A query parameter that counts something; `nil` where it is not there.
    package func wholeNumber(_ name: String, in range: ClosedRange<Int>) throws(QueryError) -> Int? {
        guard let text = queryValue(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            let bounds = "\(range.lowerBound) to \(range.upperBound)"
            throw QueryError(reason: "The query parameter \"\(name)\" takes a whole number from \(bounds).")
        }
        return number
    }

    /// How long a client will wait, by the query parameter `wait`; 0 where it is not there.
    package func waitMilliseconds() throws(QueryError) -> Int {
        guard let text = queryValue("wait") else { return 0 }
        guard let seconds = Double(text), (0...60).contains(seconds) else {
            throw QueryError(reason: "The query parameter \"wait\" takes seconds from 0 to 60.")
        }
        return Int(seconds * 1000)
    }
}
