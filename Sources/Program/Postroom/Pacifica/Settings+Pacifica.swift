internal import Linux
internal import SystemPackage

/// What a configuration file of pacifica-notifications says in place of variables that are not set.
struct PacificaSettings {
    static let variable = "POSTROOM_PACIFICA_CONFIG"

    /// The values of variables.
    private(set) var values: [String: String] = [:]
    /// Where those stand in the file, by the same names.
    private(set) var places: [String: String] = [:]
    /// What the file has besides, and what is of no effect here.
    private(set) var ignored: [String] = []

    private static let known = [
        (PacificaFile.defaults, "default_user", "DEFAULT_USER"), ("notifications", "user_header", "USER_HEADER"),
        ("notifications", "policy_url", "POLICY_URL"),
    ]

    init() {}

    init(environment: [String: String]) throws(SettingError) {
        guard let path = environment[Self.variable], !path.isEmpty else { return }
        guard let bytes = Files.contents(of: FilePath(path)) else {
            throw SettingError(name: Self.variable, value: path, takes: "the path of a file that can be read")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingError(name: Self.variable, value: path, takes: "the path of a text in UTF-8")
        }
        do throws(PacificaFile.Fault) {
            let file = try PacificaFile(parsing: text)
            var used: Set<Int> = []
            for (section, name, variable) in Self.known {
                guard let entry = try file.value(section, name) else { continue }
                used.insert(entry.line)
                guard environment[variable] == nil else { continue }
                values[variable] = entry.value
                places[variable] = "\(path):\(entry.line): \(variable)"
            }
            ignored = file.entries.filter { !used.contains($0.line) }.map { "\($0.section).\($0.name)" }
        } catch {
            throw SettingError(place: "\(path):\(error.line)", reason: error.reason)
        }
    }
}
