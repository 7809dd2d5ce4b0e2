internal import ArgumentParser
internal import Linux
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

enum HealthCheck {
    /// Asks `/healthz` through nginx on its local socket.
    static func passes(_ socket: FilePath, _ mountPoint: String) -> Bool {
        guard let connection = try? UnixSocket.connect(to: socket, timeoutSeconds: 5) else { return false }
        defer { try? connection.close() }
        let request = Array("GET \(mountPoint)/healthz HTTP/1.0\r\nHost: localhost\r\n\r\n".utf8)
        guard (try? UnixSocket.send(request, from: 0, to: connection)) == request.count else { return false }
        var buffer = [UInt8](repeating: 0, count: 1024)
        guard let count = try? unsafe buffer.withUnsafeMutableBytes({ unsafe try connection.read(into: $0) }) else {
            return false
        }
        return String(decoding: buffer[..<count], as: UTF8.self).contains(" 200 ")
    }
}
