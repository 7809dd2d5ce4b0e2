internal import Delivery
internal import SystemPackage

extension Settings {
    /// One variable: how it is read, and how it is shown.
    package struct Variable {
        let name: String
        /// Another name, which is read if this one is not set.
        var alias: String?
        /// What is accepted, as an error names it after "must be".
        let expected: String
        /// Whether its value is never shown.
        var isSecret = false
        /// Whether the query of its URL is never shown.
        var hidesQuery = false
        let set: (inout Settings, String) -> Bool
        let show: (Settings) -> String
    }
}

extension Settings.Variable {
    /// The same variable, which can also be set under another name.
    func alias(_ name: String) -> Self {
        var variable = self
        variable.alias = name
        return variable
    }

    /// The name under which the environment sets it: the alias if only that is set, and otherwise its own name.
    func name(in environment: [String: String]) -> String {
        guard let alias, environment[name] == nil, environment[alias] != nil else { return name }
        return alias
    }

    /// The same variable, whose URL is shown without its query, because that may hold a token.
    func hidingQuery() -> Self {
        var variable = self
        variable.hidesQuery = true
        return variable
    }

    /// The line that sets the variable to the value in force. If the value holds a secret, the line is a comment without it.
    package func line(_ settings: Settings) -> String {
        let value = show(settings)
        if isSecret {
            return value.isEmpty ? "\(name)=" : "# \(name) is set; its value is not shown."
        }
        guard hidesQuery, let question = value.firstIndex(of: "?") else {
            return "\(name)=\(SettingText.quoted(value))"
        }
        return "# \(name) is set to \(value[...question])…; the rest is not shown."
    }

    static func text(
        _ name: String, _ path: WritableKeyPath<Settings, String>, _ expected: String,
        _ isValid: @escaping (String) -> Bool
    ) -> Self {
        Self(
            name: name, expected: expected,
            set: { settings, text in
                settings[keyPath: path] = text
                return isValid(text)
            }, show: { $0[keyPath: path] })
    }

    /// A text that may be missing: an empty value leaves it unset.
    static func optionalText(
        _ name: String, _ path: WritableKeyPath<Settings, String?>, _ expected: String,
        _ isValid: @escaping (String) -> Bool
    ) -> Self {
        Self(
            name: name, expected: expected,
            set: { settings, text in
                if text.isEmpty { return true }
                settings[keyPath: path] = text
                return isValid(text)
            }, show: { $0[keyPath: path] ?? "" })
    }

    static func integer(
        _ name: String, _ path: WritableKeyPath<Settings, Int>, _ range: ClosedRange<Int>? = nil
    ) -> Self {
        let expected = range.map { "a whole number from \($0.lowerBound) to \($0.upperBound)" } ?? "a whole number"
        return Self(
            name: name, expected: expected,
            set: { settings, text in
                guard let value = SettingText.integer(text), range?.contains(value) != false else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    static func optional(
        _ name: String, _ path: WritableKeyPath<Settings, Int?>, _ expected: String
    ) -> Self {
        Self(
            name: name, expected: expected,
            set: { settings, text in
                if text.isEmpty { return true }
                guard let value = SettingText.integer(text), (1...1_000_000).contains(value) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { $0[keyPath: path].map(String.init) ?? "" })
    }

    static func bytes(
        _ name: String, _ path: WritableKeyPath<Settings, Int>, _ range: ClosedRange<Int>
    ) -> Self {
        Self(
            name: name,
            expected: "a number of bytes from \(range.lowerBound) to \(range.upperBound), also with the unit k, m or g",
            set: { settings, text in
                guard let value = SettingText.bytes(text), range.contains(value) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    static func seconds(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Self {
        seconds(name, path, "a number of seconds") { _ in true }
    }

    static func flag(_ name: String, _ path: WritableKeyPath<Settings, Bool>) -> Self {
        Self(
            name: name, expected: "true or false",
            set: { settings, text in
                let values = ["true": true, "1": true, "on": true, "false": false, "0": false, "off": false]
                guard let value = values[text.lowercased()] else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    /// A length of time in Go's notation.
    static func goDuration(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Self {
        Self(
            name: name, expected: "a duration above 0, such as 250ms, 5s or 1m30s",
            set: { settings, text in
                guard let value = GoDuration.seconds(SettingText.trimmed(text)), value > 0, value <= 1e9 else {
                    return false
                }
                settings[keyPath: path] = value
                return true
            }, show: { GoDuration.text($0[keyPath: path]) })
    }

    /// A timeout of nginx, which counts in milliseconds.
    static func timeout(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Self {
        Self(
            name: name, expected: "a duration from 1ms to 24h, such as 250ms, 5s or 1m30s",
            set: { settings, text in
                guard let value = GoDuration.seconds(SettingText.trimmed(text)), (0.001...86_400).contains(value) else {
                    return false
                }
                settings[keyPath: path] = value
                return true
            }, show: { GoDuration.text($0[keyPath: path]) })
    }

    /// A number of seconds that is added to a clock, so that it has to be small enough for that.
    static func duration(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Self {
        seconds(name, path, "a number of seconds above 0, at most a billion") { $0 > 0 && $0 <= 1e9 }
    }

    static func seconds(
        _ name: String, _ path: WritableKeyPath<Settings, Double>, _ expected: String,
        _ isValid: @escaping (Double) -> Bool
    ) -> Self {
        Self(
            name: name, expected: expected,
            set: { settings, text in
                guard let value = SettingText.number(text), isValid(value) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    static func choice<Value: RawRepresentable<String>>(
        _ name: String, _ path: WritableKeyPath<Settings, Value>, _ expected: String
    ) -> Self {
        Self(
            name: name, expected: expected,
            set: { settings, text in
                guard let value = Value(rawValue: text.lowercased()) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { $0[keyPath: path].rawValue })
    }

    /// The path of a TLS file. `readTLS` reads these variables together, because what one accepts depends on the others.
    static func path(_ name: String, _ show: @escaping (Settings) -> FilePath?) -> Self {
        Self(name: name, expected: "the path of a file", set: { _, _ in true }, show: { show($0)?.string ?? "" })
    }

    /// A text that is never shown. An empty value leaves it unset.
    static func secret(
        _ name: String, _ path: WritableKeyPath<Settings, String?>, _ expected: String,
        _ isValid: @escaping (String) -> Bool
    ) -> Self {
        Self(
            name: name, expected: expected, isSecret: true, set: optionalText(name, path, expected, isValid).set,
            show: { $0[keyPath: path] == nil ? "" : "(set)" })
    }
}
