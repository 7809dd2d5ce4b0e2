/// A duration in Go's notation: `250ms`, `5s`, `1m30s`, `1.5h`.
package enum GoDuration {
    /// - Returns: `nil` for text that Go's time.ParseDuration refuses, and for negative durations.
    package static func seconds(_ text: String) -> Double? {
        if text == "0" { return 0 }
        var rest = text.utf8[...]
        if rest.first == UInt8(ascii: "+") { rest.removeFirst() }
        guard !rest.isEmpty else { return nil }
        var sum = 0.0
        while !rest.isEmpty {
            let number = rest.prefix { (48...57).contains($0) || $0 == UInt8(ascii: ".") }
            rest = rest[number.endIndex...]
            let unit = rest.prefix { !(48...57).contains($0) && $0 != UInt8(ascii: ".") }
            rest = rest[unit.endIndex...]
            // Go accepts `.5s` and `5.s`.
            let dots = number.count { $0 == UInt8(ascii: ".") }
            guard dots <= 1, number.count > dots, let value = Double("0\(Substring(number))\(dots == 1 ? "0" : "")"),
                let unit = units.first(where: { $0.name == String(Substring(unit)) })
            else { return nil }
            sum += value / unit.parts * unit.seconds
        }
        // The limit of Go's Int64 of nanoseconds.
        return sum <= 9_223_372_036 ? sum : nil
    }

    /// Writes a duration, largest unit first, without units that are 0: `1h30m`, `0.25s`.
    package static func text(_ seconds: Double) -> String {
        let whole = Int(max(0, seconds).rounded(.down))
        var text = ""
        if whole >= 3600 { text += "\(whole / 3600)h" }
        if whole / 60 % 60 > 0 { text += "\(whole / 60 % 60)m" }
        let rest = max(0, seconds) - Double(whole / 60 * 60)
        guard rest > 0 || text.isEmpty else { return text }
        // Go's precision: down to a nanosecond.
        let nanoseconds = Int(((rest - rest.rounded(.down)) * 1e9).rounded())
        text += "\(Int(rest.rounded(.down)) + nanoseconds / 1_000_000_000)"
        var digits = String(1_000_000_000 + nanoseconds % 1_000_000_000).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return text + (digits.isEmpty ? "" : ".") + digits + "s"
    }

    /// For each unit, how many are a second, or how many seconds it has. A division is exact where a factor would not be.
    private static let units: [(name: String, parts: Double, seconds: Double)] = [
        ("ns", 1e9, 1), ("us", 1e6, 1), ("\u{b5}s", 1e6, 1), ("\u{3bc}s", 1e6, 1), ("ms", 1e3, 1), ("s", 1, 1),
        ("m", 1, 60), ("h", 1, 3600),
    ]
}
