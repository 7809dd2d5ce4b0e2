/// The fault of a setting, in one line: its name, its value and what is accepted; or its place in a file, and the reason.
struct SettingError: Error, Equatable, CustomStringConvertible {
    let description: String

    /// A password in the value is not shown.
    init(name: String, value: String, mustBe expected: String) {
        self.init(name: name, value: value, but: "must be \(expected)")
    }

    /// The fault of a setting whose value is valid by itself, but not together with others.
    /// - Parameter reason: the rest of the sentence.
    init(name: String, value: String, but reason: String) {
        description = "\(name) is \"\(SettingText.withoutPassword(value))\", but \(reason)"
    }

    init(place: String, reason: String) { description = "\(place): \(reason)" }
}

/// Everything that is wrong with the settings, one line each.
struct SettingErrors: Error, Equatable, CustomStringConvertible {
    let faults: [SettingError]

    var description: String { faults.map(\.description).joined(separator: "\n") }
}

/// Reads and writes the text of settings.
///
/// Numbers may have what the services that Postroom replaces accept: blanks around them, a sign, and `_` between digits.
package enum SettingText {
    package static func trimmed(_ text: String) -> String {
        var rest = Substring(text)
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }

    /// Whether a text consists only of ASCII letters, digits and `-._`, which have no special meaning to any reader of the
    /// text.
    static func isPlain(_ text: some StringProtocol) -> Bool {
        text.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "-._".utf8.contains(byte)
        }
    }

    /// Replaces the parts of a URL before its `@` and after its `?`, which may hold passwords and tokens, with "…".
    ///
    /// A text that is almost a URL is treated in the same way, because a mistyped URL holds the same password.
    package static func withoutPassword(_ text: String) -> String {
        // libpq accepts this form too, besides URLs.
        if text.lowercased().contains("password=") { return "…" }
        let start = text.firstRange(of: "://")?.upperBound ?? text.startIndex
        let isURL = start != text.startIndex
        var rest = text[start...]
        if let at = rest.lastIndex(of: "@"), isURL || rest[..<at].contains(":") { rest = "…" + rest[at...] }
        if isURL, let question = rest.firstIndex(of: "?") { rest = rest[...question] + "…" }
        return String(text[..<start] + rest)
    }

    /// A value as `postroom settings` writes it for a shell or systemd's EnvironmentFile: in double quotes if it has
    /// anything but letters, digits and a few other characters, with a backslash before each character that a shell would
    /// interpret.
    static func quoted(_ value: String) -> String {
        let isBare = value.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "-._/:,@%+=".utf8.contains(byte)
        }
        if isBare { return value }
        var text = "\""
        for character in value.unicodeScalars {
            if "\"\\`$".unicodeScalars.contains(character) { text += "\\" }
            text.unicodeScalars.append(character)
        }
        return text + "\""
    }

    static func integer(_ text: String) -> Int? {
        withoutSeparators(trimmed(text), allowed: "0123456789+-").flatMap { Int($0) }
    }

    /// A finite number, with an optional fraction and exponent.
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
