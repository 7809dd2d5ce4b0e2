internal import HTTP
package import Values

/// Times as this API writes them: in UTC, without a zone.
extension Timestamp {
    package var naive: String { iso8601(zone: "") }

    /// Reads a date, optionally followed by `T` or a blank and a time of day; seconds and their fraction are optional. A
    /// zone is accepted and ignored, as it always was.
    package init?(naive text: String) {
        var rest = Substring(text)
        while rest.last == " " { rest.removeLast() }
        let date = rest.prefix(10)
        rest = rest.dropFirst(10)
        guard let separator = rest.popFirst() else {
            self.init(checking: "\(date)T00:00:00")
            return
        }
        guard separator == "T" || separator == "t" || separator == " " else { return nil }
        var time = rest.prefix { $0.isNumber || $0 == ":" || $0 == "." }
        guard Self.isZone(rest[time.endIndex...]) else { return nil }
        if time.utf8.count == 5 { time += ":00" }
        self.init(checking: "\(date)T\(time)")
    }

    /// Reads a time by its zone if it has one (RFC 3339); without a zone it is in UTC, and read as by `init(naive:)`.
    package init?(zonedOrNaive text: String) {
        if let time = Timestamp(rfc3339: text) {
            self = time
        } else if !text.dropFirst(10).contains(where: { "Zz+-".contains($0) }), let time = Timestamp(naive: text) {
            self = time
        } else {
            return nil
        }
    }

    private init?(checking text: String) {
        // Years that cannot be written in four digits are refused too.
        guard let time = Timestamp(rfc3339: text + "Z") else { return nil }
        self = time
    }

    private static func isZone(_ text: Substring) -> Bool {
        if text.isEmpty || text.lowercased() == "z" { return true }
        guard text.first == "+" || text.first == "-" else { return false }
        let digits = text.dropFirst()
        let parts = digits.split(separator: ":", omittingEmptySubsequences: false)
        let isWhole = { (part: Substring) in part.utf8.count == 2 && part.utf8.allSatisfy { (48...57).contains($0) } }
        switch parts.count {
        case 1:
            return isWhole(parts[0]) || (digits.utf8.count == 4 && digits.utf8.allSatisfy { (48...57).contains($0) })
        case 2: return parts.allSatisfy(isWhole)
        default: return false
        }
    }
}
