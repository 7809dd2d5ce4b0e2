internal import ArgumentParser
internal import PostroomService
internal import Storage

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Import the data of another service.", subcommands: [Pacifica.self])
}

extension ImportCommand {
    struct Pacifica: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Import the subscriptions and the event log of pacifica-notifications from its database.",
            discussion: """
                Both services may keep running. What was imported before is not changed, so the import can be repeated. A \
                subscription whose expression or target is not supported is imported disabled, and its "error" says why. \
                Events are imported as history, and are not delivered. Exit status: 0 if everything was imported, 2 if \
                something was left out or disabled, 1 after another failure.
                """)

        @Option(
            help: "The URL of the database, as in peewee_url: postgres://user:password@host/name, or sqlite:///path.")
        var database: String

        func run() async throws {
            guard let url = PacificaDatabaseURL(database) else {
                throw Refusal(
                    "--database must be a URL such as postgres://user:password@host:5432/name or sqlite:///path")
            }
            let settings = try Settings.inForce()
            let source: PacificaDatabase
            do { source = try PacificaDatabase(url) } catch { throw Refusal("cannot read the database: \(error)") }
            if let version = source.schemaVersion(), version != Self.schemaVersion {
                throw Refusal(
                    "the database has schema version \(version), but only version \(Self.schemaVersion) is supported")
            }
            let store = try settings.openStore()
            let secret = try await EncryptionSecret(settings, for: store)
            var takeover = PacificaTakeover(source, store, settings, secret.sealing)
            do {
                try await takeover.run()
                try store.flush()
            } catch {
                for line in takeover.keptSummary { print(line) }
                guard !takeover.keptSummary.isEmpty else { throw error }
                complain(
                    "the import stopped before its end; the lines above say what was imported. Run it again to import the rest"
                )
                throw error
            }
            for line in takeover.summary { print(line) }
            if takeover.faults > 0 { throw ExitCode(2) }
        }

        private static let schemaVersion = "3"
    }
}
