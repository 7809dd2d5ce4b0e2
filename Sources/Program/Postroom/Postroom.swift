internal import ArgumentParser
internal import Linux
internal import PostroomService

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
        } catch let refusal as Refusal where refusal.status != Refusal.failure {
            for line in refusal.lines { complain("Error: \(line)") }
            exit(withError: ExitCode(refusal.status))
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
