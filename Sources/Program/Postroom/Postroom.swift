internal import ArgumentParser
internal import Linux
internal import SystemPackage

@main
struct Postroom: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postroom",
        abstract: "A self-hosted hub for webhooks: receives, queues, routes and delivers them.",
        discussion: """
            Start the service with "postroom serve". Environment variables configure it; "postroom settings" lists them all.

            Exit status of each command, unless its help says otherwise: 0 after success, 1 after a failure, 64 if the \
            arguments are wrong, 78 if a setting is wrong.
            """,
        version: postroomVersion,
        subcommands: [
            Serve.self, Respond.self, Work.self, ShowSettings.self, Locations.self, StoreCommand.self,
            EndpointsCommand.self, QueuesCommand.self, EventsCommand.self, ImportCommand.self,
            Health.self,
            Child.self, Preflight.self,
        ],
        defaultSubcommand: nil)

    /// Runs the command that the arguments name. Wrong settings end it with a status of their own, so that a service manager
    /// need not start it again before they are corrected.
    static func main() {
        Ending.prepare()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let refusal as Refusal where refusal.status != ExitCode.failure {
            for line in refusal.lines { complain("Error: \(line)") }
            exit(withError: refusal.status)
        } catch {
            // A message may repeat an argument, which may be a URL with a password.
            let message = fullMessage(for: error)
            let shown = CommandLine.arguments.dropFirst().filter { $0.contains("@") }.reduce(message) {
                text, argument in
                text.replacing(argument, with: SettingText.withoutPassword(argument))
            }
            if shown == message { exit(withError: error) }
            complain(shown)
            exit(withError: exitCode(for: error))
        }
    }
}

/// A command that uses a store. All of it runs on one thread, because a transaction must stay on its thread. A command of
/// `AsyncParsableCommand` could continue on another thread after an `await`.
protocol AsyncCommand: ParsableCommand {
    func run() async throws
}

extension AsyncCommand {
    func run() throws { try LoopExecutor.complete { try await run() } }
}

/// An error that ends the command: one line or more for standard error, and the exit status.
struct Refusal: Error, CustomStringConvertible {
    let lines: [String]
    let status: ExitCode

    /// The exit status for wrong settings (sysexits.h, EX_CONFIG): starting again does not help.
    static let wrongSettings = ExitCode(78)

    var description: String { lines.joined(separator: "\n") }

    init(_ description: String, status: ExitCode = .failure) {
        lines = [description]
        self.status = status
    }

    init(_ errors: SettingErrors) {
        lines = errors.faults.map(\.description)
        status = Self.wrongSettings
    }
}

extension Settings {
    /// The settings in force.
    /// - Throws: a refusal with one line for each fault of the settings.
    static func inForce() throws(Refusal) -> Settings {
        do throws(SettingErrors) {
            return try Settings(environment: Machine.environment())
        } catch {
            throw Refusal(error)
        }
    }

    func makeDataDirectory() throws(Refusal) {
        do throws(Errno) {
            try Files.makeDirectory(dataDirectory, permissions: [.ownerReadWriteExecute, .groupReadExecute])
        } catch {
            throw Refusal("DATA_DIR: cannot create \(dataDirectory): \(error)")
        }
    }
}

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
