internal import ArgumentParser
internal import Linux
internal import PostroomService

struct ShowSettings: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "settings", abstract: "Print all settings, with the values in force.",
        discussion: """
            Each line sets a variable, as a shell or systemd's EnvironmentFile reads it. Secrets are not printed: a comment \
            says that they are set. Warnings are on standard error.
            """)

    func run() throws {
        let settings = try Settings.inForce()
        for warning in settings.warnings(Machine.environment()) { complain("Warning: \(warning)") }
        for variable in Settings.variables { print(variable.line(settings)) }
    }
}
