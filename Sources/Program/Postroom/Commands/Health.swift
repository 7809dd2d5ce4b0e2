internal import ArgumentParser
internal import PostroomService
internal import SystemPackage

struct Health: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that the service answers through nginx and can commit.",
        discussion: "Prints \"ok\" and exits with status 0 if so, and with status 1 if not.")

    func run() throws {
        let settings = try Settings.inForce()
        let files = NginxFiles(settings: settings, templates: "")
        guard HealthCheck.passes(files.healthSocket, settings.mountPoint) else {
            throw Refusal("the service does not answer, or cannot commit")
        }
        print("ok")
    }
}
