/// What is wrong with a setting, in one line: its name, what it had, and what it takes.
struct SettingError: Error, Equatable, CustomStringConvertible {
    let name: String
    let value: String
    let takes: String

    var description: String { "\(name) is \"\(value)\", but takes \(takes)" }
}

/// How the text of a setting is read.
///
/// Numbers are written as the services that Postroom replaces take them: blanks around, a sign, and `_` between digits.
enum SettingText {
    static func trimmed(_ text: String) -> String {
        var rest = Substring(text)
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }

    static func integer(_ text: String) -> Int? {
        withoutSeparators(trimmed(text), allowed: "0123456789+-").flatMap { Int($0) }
    }

    /// A finite number, with fraction and exponent as it likes.
    static func number(_ text: String) -> Double? {
        withoutSeparators(trimmed(text), allowed: "0123456789+-.eE").flatMap { Double($0) }.flatMap {
            $0.isFinite ? $0 : nil
        }
    }

    private static func withoutSeparators(_ text: String, allowed: String) -> String? {
        let characters = Array(text)
        for (index, character) in characters.enumerated() {
            if character == "_" {
                guard index > 0, index + 1 < characters.count, characters[index - 1].isNumber,
                    characters[index + 1].isNumber
                else { return nil }
            } else if !allowed.contains(character) {
                return nil
            }
        }
        return String(characters.filter { $0 != "_" })
    }

    /// A number of bytes; `k`, `m` and `g` stand for 1024, 1024² and 1024³.
    static func bytes(_ text: String) -> Int? {
        let units: [Character: Int] = ["k": 1 << 10, "m": 1 << 20, "g": 1 << 30]
        let plain = trimmed(text).lowercased()
        guard let last = plain.last, let unit = units[last] else { return integer(plain) }
        guard let count = integer(String(plain.dropLast())) else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        return overflow ? nil : product
    }
}

/// A duration as Go's programs take it (time.ParseDuration): numbers, each with its unit, one after another, such as
/// `250ms` or `1h15m30.5s`; a sign before all of them; `0` also without a unit.
///
/// Blanks are refused, and so is what Go cannot count in nanoseconds: more than some 292 years.
enum GoDuration {
    private static let nanoseconds: [String: UInt64] = [
        "ns": 1, "us": 1000, "\u{b5}s": 1000, "\u{3bc}s": 1000, "ms": 1_000_000, "s": 1_000_000_000,
        "m": 60_000_000_000, "h": 3_600_000_000_000,
    ]

    /// How far an Int64 reaches below zero.
    private static let limit: UInt64 = 1 << 63

    /// - Returns: microseconds; what is less than one is cut off.
    static func parse(_ text: String) -> Int64? {
        var rest = Array(text.utf8)[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest.removeFirst() }
        if rest == [UInt8(ascii: "0")] { return 0 }
        guard !rest.isEmpty else { return nil }
        var sum: UInt64 = 0
        while !rest.isEmpty {
            guard let part = nanoseconds(&rest) else { return nil }
            let (next, overflow) = sum.addingReportingOverflow(part)
            guard !overflow, next <= limit else { return nil }
            sum = next
        }
        if isNegative { return Int64(truncatingIfNeeded: 0 &- sum) / 1000 }
        return Int64(exactly: sum).map { $0 / 1000 }
    }

    /// Takes one number and its unit off the front.
    private static func nanoseconds(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        let whole = take(&rest, while: isDigit)
        var fraction: ArraySlice<UInt8> = []
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            fraction = take(&rest, while: isDigit)
        }
        guard !whole.isEmpty || !fraction.isEmpty else { return nil }
        let name = take(&rest) { !isDigit($0) && $0 != UInt8(ascii: ".") }
        guard let unit = nanoseconds[String(decoding: name, as: UTF8.self)] else { return nil }

        var count: UInt64 = 0
        for digit in whole {
            guard let next = appending(digit, to: count) else { return nil }
            count = next
        }
        guard count <= limit / unit else { return nil }
        count *= unit
        // As Go has it, digits that are too many do not count, and the product is that of floating-point numbers.
        var numerator: UInt64 = 0
        var denominator = 1.0
        for digit in fraction {
            guard let next = appending(digit, to: numerator) else { break }
            numerator = next
            denominator *= 10
        }
        count += UInt64(Double(numerator) * (Double(unit) / denominator))
        return count <= limit ? count : nil
    }

    private static func appending(_ digit: UInt8, to number: UInt64) -> UInt64? {
        guard number <= limit / 10 else { return nil }
        let next = number * 10 + UInt64(digit - UInt8(ascii: "0"))
        return next <= limit ? next : nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func take(_ rest: inout ArraySlice<UInt8>, while holds: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let taken = rest.prefix(while: holds)
        rest = rest.dropFirst(taken.count)
        return taken
    }
}
