internal import Delivery
internal import SystemPackage

extension Settings {
    /// One variable: how it is read, and how it is shown.
    struct Variable {
        let name: String
        /// Another name that is taken where this one is not set.
        var alias: String?
        let takes: String
        /// Whether its value is shown to nobody.
        var isSecret = false
        /// Whether the query of its URL is shown to nobody.
        var hidesQuery = false
        let set: (inout Settings, String) -> Bool
        let show: (Settings) -> String
    }
}

extension Settings.Variable {
    /// The same, taken under another name too.
    func alias(_ name: String) -> Self {
        var variable = self
        variable.alias = name
        return variable
    }

    /// The name that it is set under; its own where it is set under neither.
    func name(in environment: [String: String]) -> String {
        guard let alias, environment[name] == nil, environment[alias] != nil else { return name }
        return alias
    }

    /// The same, of a URL whose query may hold a token.
    func hidingQuery() -> Self {
        var variable = self
        variable.hidesQuery = true
        return variable
    }

    /// The line that sets it to what is in force. A value that holds a secret is left out, and the line is a comment.
    func line(_ settings: Settings) -> String {
        let value = show(settings)
        if isSecret {
            return value.isEmpty ? "\(name)=" : "# \(name) is set, and its value is not shown."
        }
        guard hidesQuery, let question = value.firstIndex(of: "?") else {
            return "\(name)=\(SettingText.quoted(value))"
        }
        return "# \(name) is set to \(value[...question])…, and what follows is not shown."
    }

    static func text(
        _ name: String, _ path: WritableKeyPath<Settings, String>, _ takes: String,
        _ isValid: @escaping (String) -> Bool
    ) -> Self {
        Self(
            name: name, takes: takes,
            set: { settings, text in
                settings[keyPath: path] = text
                return isValid(text)
            }, show: { $0[keyPath: path] })
    }

    /// Empty: none.
    static func optionalText(
        _ name: String, _ path: WritableKeyPath<Settings, String?>, _ takes: String,
        _ isValid: @escaping (String) -> Bool
    ) -> Self {
        Self(
            name: name, takes: takes,
            set: { settings, text in
                if text.isEmpty { return true }
                settings[keyPath: path] = text
                return isValid(text)
            }, show: { $0[keyPath: path] ?? "" })
    }

    static func integer(
        _ name: String, _ path: WritableKeyPath<Settings, Int>, _ range: ClosedRange<Int>? = nil
    ) -> Self {
        let takes = range.map { "a whole number from \($0.lowerBound) to \($0.upperBound)" } ?? "a whole number"
        return Self(
            name: name, takes: takes,
            set: { settings, text in
                guard let value = SettingText.integer(text), range?.contains(value) != false else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    static func optional(
        _ name: String, _ path: WritableKeyPath<Settings, Int?>, _ takes: String
    ) -> Self {
        Self(
            name: name, takes: takes,
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
            name: name, takes: "bytes from \(range.lowerBound) to \(range.upperBound), or with k, m or g behind",
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
            name: name, takes: "true or false",
            set: { settings, text in
                guard let value = ["true": true, "1": true, "false": false, "0": false][text.lowercased()] else {
                    return false
                }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    /// A length of time as Go writes it.
    static func goDuration(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Self {
        Self(
            name: name, takes: "a length of time above 0, such as 250ms, 5s or 1m30s",
            set: { settings, text in
                guard let value = GoDuration.seconds(SettingText.trimmed(text)), value > 0, value <= 1e9 else {
                    return false
                }
                settings[keyPath: path] = value
                return true
            }, show: { GoDuration.text($0[keyPath: path]) })
    }

    /// How long nginx waits; it counts in milliseconds.
    static func timeout(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Self {
        Self(
            name: name, takes: "a length of time from 1ms to 24h, such as 250ms, 5s or 1m30s",
            set: { settings, text in
                guard let value = GoDuration.seconds(SettingText.trimmed(text)), (0.001...86_400).contains(value) else {
                    return false
                }
                settings[keyPath: path] = value
                return true
            }, show: { GoDuration.text($0[keyPath: path]) })
    }

    /// Seconds that a clock is set by, and so must fit it.
    static func duration(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Self {
        seconds(name, path, "a number of seconds above 0, a billion at the most") { $0 > 0 && $0 <= 1e9 }
    }

    static func seconds(
        _ name: String, _ path: WritableKeyPath<Settings, Double>, _ takes: String,
        _ isValid: @escaping (Double) -> Bool
    ) -> Self {
        Self(
            name: name, takes: takes,
            set: { settings, text in
                guard let value = SettingText.number(text), isValid(value) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    static func choice<Value: RawRepresentable<String>>(
        _ name: String, _ path: WritableKeyPath<Settings, Value>, _ takes: String
    ) -> Self {
        Self(
            name: name, takes: takes,
            set: { settings, text in
                guard let value = Value(rawValue: text.lowercased()) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { $0[keyPath: path].rawValue })
    }

    /// Read together with the others of its kind, as what one takes depends on them.
    static func path(_ name: String, _ show: @escaping (Settings) -> FilePath?) -> Self {
        Self(name: name, takes: "the path of a file", set: { _, _ in true }, show: { show($0)?.string ?? "" })
    }

    /// A text that is shown to nobody; empty: none.
    static func secret(
        _ name: String, _ path: WritableKeyPath<Settings, String?>, _ takes: String,
        _ isValid: @escaping (String) -> Bool
    ) -> Self {
        Self(
            name: name, takes: takes, isSecret: true, set: optionalText(name, path, takes, isValid).set,
            show: { $0[keyPath: path] == nil ? "" : "(set)" })
    }
}
