internal import Linux
internal import SystemPackage

/// Settings from a configuration file of pacifica-notifications. They apply where the variables themselves are not set.
package struct PacificaSettings: Equatable {
    package static let variable = "POSTROOM_PACIFICA_CONFIG"

    /// The file's values for variables that are not set, by the variables' names.
    private(set) var values: [String: String] = [:]
    /// The places of those values, with the file's path and the line, by the same names. Errors show them.
    private(set) var places: [String: String] = [:]
    /// The other entries of the file, which have no effect here, as `section.name`.
    package private(set) var ignored: [String] = []

    private static let known = [
        (PacificaFile.defaults, "default_user", "DEFAULT_USER"), ("notifications", "user_header", "USER_HEADER"),
        ("notifications", "policy_url", "POLICY_URL"),
    ]

    init() {}

    init(environment: [String: String]) throws(SettingError) {
        guard let path = environment[Self.variable], !path.isEmpty else { return }
        guard let bytes = Files.contents(of: FilePath(path)) else {
            throw SettingError(name: Self.variable, value: path, mustBe: "the path of a readable file")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SettingError(name: Self.variable, value: path, mustBe: "the path of a file in UTF-8")
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
