internal import ArgumentParser
internal import Linux
internal import PostroomService
internal import SystemPackage

struct Locations: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the locations file for your own nginx, filled in from the settings.",
        discussion: """
            Include it in a server block. It needs an upstream named "postroom" that lists the responders' sockets. \
            "postroom serve --no-nginx" writes both files itself.
            """)

    func run() throws {
        let settings = try Settings.inForce()
        guard let program = Files.thisProgram() else { throw Refusal("cannot find this program's own file") }
        var files = NginxFiles(settings: settings, templates: try NginxFiles.findTemplates(program))
        files.hasZones = false
        print(try files.filled("locations.conf", workerUser: nil), terminator: "")
    }
}
