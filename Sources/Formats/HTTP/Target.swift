/// What a request is aimed at: path and query as they were sent (RFC 9112, section 3.2), and the path's decoded segments
/// below the mount point.
package struct Target: Sendable {
    /// The path's segments after the mount point, each percent-decoded once; one that stands for no text is left as it
    /// was sent, and equals no name. `nil` where the path lies outside the mount point.
    package let segments: [String]?
    /// Whether each segment of the path stands for text.
    package let isText: Bool
    /// As sent, without its question mark; `nil` where there was none.
    package let query: ArraySlice<UInt8>?

    private let path: ArraySlice<UInt8>
    /// Where each of `segments` ends in `path`.
    private let ends: [Int]

    /// - Parameters:
    ///   - raw: the target as the client sent it.
    ///   - mountPoint: where the application is mounted, as path text: `/api`, or `/` or nothing for the root.
    package init(raw: ArraySlice<UInt8>, mountPoint: [String]) {
        let question = raw.firstIndex(of: UInt8(ascii: "?"))
        path = raw[..<(question ?? raw.endIndex)]
        query = question.map { raw[($0 + 1)...] }

        var decoded: [String] = []
        var ends: [Int] = []
        var isText = true
        for segment in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let text = percentDecoded(segment)
            isText = isText && text != nil
            decoded.append(text ?? String(decoding: segment, as: UTF8.self))
            ends.append(segment.endIndex)
        }
        let isInside = path.first == UInt8(ascii: "/") && decoded.starts(with: mountPoint)
        segments = isInside ? Array(decoded[mountPoint.count...]) : nil
        self.ends = isInside ? Array(ends[mountPoint.count...]) : []
        self.isText = isText
    }

    /// The path after its first `count` segments, as sent: empty, or with its leading slash.
    package func rest(after count: Int) -> ArraySlice<UInt8> { path[ends[count - 1]...] }

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

/// The text that a percent-encoded run of bytes stands for (RFC 3986, section 2.1); `nil` where an escape is broken or
/// the result is not UTF-8.
package func percentDecoded(_ bytes: ArraySlice<UInt8>, plusIsBlank: Bool = false) -> String? {
    let percent = UInt8(ascii: "%")
    let plus = UInt8(ascii: "+")
    guard bytes.contains(where: { $0 == percent || ($0 == plus && plusIsBlank) }) else {
        return String(validating: bytes, as: UTF8.self)
    }
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index < bytes.endIndex {
        let byte = bytes[index]
        index += 1
        if byte == plus, plusIsBlank {
            decoded.append(0x20)
        } else if byte == percent {
            guard index + 2 <= bytes.endIndex, let high = hexadecimalDigit(bytes[index]),
                let low = hexadecimalDigit(bytes[index + 1])
            else { return nil }
            decoded.append(high << 4 | low)
            index += 2
        } else {
            decoded.append(byte)
        }
    }
    return String(validating: decoded, as: UTF8.self)
}

/// The value of a hexadecimal digit of either letter case.
package func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}

/// The bytes that an even number of hexadecimal digits of either letter case stands for.
package func bytes(hexadecimal text: some StringProtocol) -> [UInt8]? {
    let digits = text.utf8.map(hexadecimalDigit)
    guard digits.count.isMultiple(of: 2), !digits.contains(nil) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { (digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0) }
}

/// A text with the bytes of its UTF-8 escaped (RFC 3986, section 2.1) but for some of ASCII.
package func percentEncoded(_ text: String, except isPlain: (UInt8) -> Bool) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
        if isPlain(byte) {
            bytes.append(byte)
        } else {
            bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}
