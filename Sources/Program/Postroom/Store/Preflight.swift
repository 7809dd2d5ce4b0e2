internal import ArgumentParser
internal import HTTP
internal import Linux
internal import MappedStore
internal import PostroomService
internal import SystemPackage

/// Checks whether this program could take over a running service. A supervisor runs this command of the installed program
/// before it gives its place to that program.
struct Preflight: ParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    func run() throws {
        let settings = try Settings.inForce()
        guard let program = Files.thisProgram() else { throw Refusal("cannot find this program's own file") }
        let files = NginxFiles(settings: settings, templates: try NginxFiles.findTemplates(program))
        for name in NginxFiles.names { _ = try files.filled(name, workerUser: nil) }
        guard settings.database == nil else { return }
        let layout: UInt64?
        do throws(StoreError) {
            layout = try MappedStore.layout(in: settings.dataDirectory)
        } catch {
            throw Refusal("cannot open the store: \(error)")
        }
        if let layout, layout < MappedStore.schemaVersion { throw ExitCode(Supervisor.migratesStatus) }
    }
}
