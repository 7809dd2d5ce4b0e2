internal import ArgumentParser
internal import Linux
internal import SystemPackage

struct Locations: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the locations file for an nginx of your own, filled in from the settings.",
        discussion: """
            It belongs into a server block, beside an upstream named "postroom" that lists the responders' sockets. \
            "postroom serve --no-nginx" writes both files by itself.
            """)

    func run() throws {
        let settings = try Settings.inForce()
        guard let program = Files.thisProgram() else { throw Refusal("cannot find this program's own file") }
        var files = NginxFiles(settings: settings, templates: try NginxFiles.findTemplates(program))
        files.hasZones = false
        print(try files.filled("locations.conf", workerUser: nil), terminator: "")
    }
}
