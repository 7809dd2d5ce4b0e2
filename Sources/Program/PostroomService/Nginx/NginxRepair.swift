internal import Linux
package import Logging
internal import SystemPackage

/// Writes nginx's files in place of a supervisor of an older version.
///
/// Such a supervisor fills in the templates of this version, and leaves each `@WORD@` that it does not know: the running
/// nginx goes on, but could not start again. A responder of this version that it starts then writes the files.
package struct NginxRepair {
    let settings: Settings
    let logger: Logger

    package init(settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    package func run() {
        let texts = NginxFiles.names.compactMap { Files.contents(of: settings.runDirectory.appending($0)) }
            .map { String(decoding: $0, as: UTF8.self) }
        guard texts.contains(where: { $0.contains(/@[A-Z_]+@/) }), let program = Files.thisProgram() else { return }
        do throws(Refusal) {
            var files = NginxFiles(settings: settings, templates: try NginxFiles.findTemplates(program))
            // Take the descriptor limit and the user from the supervisor's file: this process may not be able to find them
            // out.
            let main = texts.first ?? ""
            if let limit = main.firstMatch(of: /worker_rlimit_nofile ([0-9]+);/).flatMap({ Int($0.1) }) {
                files.descriptorLimit = limit
            }
            let user = main.firstMatch(of: /(?m)^user ([^;]+);/).map { String($0.1) }
            guard try files.write(workerUser: user) else { return }
        } catch {
            return logger.error(
                "cannot complete nginx's configuration, which an older supervisor has written",
                metadata: ["reason": "\(error)"])
        }
        logger.notice(
            "completed nginx's configuration, which the running supervisor, of an older version, could not fill in. Restart the service to get a supervisor of this version"
        )
        let leader = Files.contents(of: settings.runDirectory.appending("nginx.pid")).map {
            SettingText.trimmed(String(decoding: $0, as: UTF8.self))
        }
        guard let processID = leader.flatMap({ Int32($0) }), processID > 1,
            Machine.commandLine(of: processID).first?.contains("nginx") == true
        else { return }
        Signal.send(Signal.hangUp, to: processID)
    }
}
