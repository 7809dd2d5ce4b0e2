internal import ArgumentParser
internal import Linux
internal import MappedStore
internal import SystemPackage

@main
struct Postroom: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "postroom",
        abstract: "A self-hosted hub for webhooks: FastCGI responders behind nginx, on one memory-mapped file.",
        discussion: "Everything is set by environment variables; \"postroom settings\" shows those in force.",
        version: postroomVersion,
        subcommands: [
            Serve.self, Respond.self, Work.self, ShowSettings.self, Locations.self, StoreCommand.self,
            QueuesCommand.self, EventsCommand.self, ImportCommand.self,
            Health.self,
            Child.self,
        ],
        defaultSubcommand: nil)
}

/// A refusal to go on: one line on standard error, and exit status 1.
struct Refusal: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

extension Settings {
    /// The settings in force, or the one line that says which of them is wrong.
    static func inForce() throws(Refusal) -> Settings {
        do throws(SettingError) {
            return try Settings(environment: Machine.environment())
        } catch {
            throw Refusal("\(error)")
        }
    }

    var storeOptions: MappedStore.Options {
        MappedStore.Options(maximumBytes: maximumStoreBytes, isDurable: durability == .disk)
    }

    /// Opens the store for this process and holds it against `compact` and `import`, which want it alone.
    func openStore() throws(Refusal) -> MappedStore {
        do throws(Errno) {
            try Files.makeDirectory(dataDirectory, permissions: [.ownerReadWriteExecute, .groupReadExecute])
        } catch {
            throw Refusal("DATA_DIR: cannot make \(dataDirectory): \(error)")
        }
        do throws(StoreError) {
            return try MappedStore(directory: dataDirectory, storeOptions)
        } catch {
            throw Refusal("cannot open the store: \(error)")
        }
    }
}

struct ShowSettings: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "settings", abstract: "Show the settings in force.")

    func run() throws {
        let settings = try Settings.inForce()
        for variable in Settings.variables { print("\(variable.name)=\(variable.show(settings))") }
    }
}
