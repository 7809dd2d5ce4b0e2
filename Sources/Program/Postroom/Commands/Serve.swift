internal import ArgumentParser
internal import HTTP
internal import Linux
internal import Logging
internal import PostroomService
internal import Storage
internal import SystemPackage
internal import Values

struct Serve: AsyncCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start and supervise the service: nginx, the responders and the worker.",
        discussion: """
            SIGTERM or Ctrl-C stops the service. Requests in progress are finished first, for at most SHUTDOWN_SECONDS. \
            SIGHUP replaces the responders and the worker one by one, by a new version of this program if it was \
            replaced, and makes nginx read its certificates again.
            """)

    @Flag(
        inversion: .prefixedNo,
        help: "Run nginx too. With --no-nginx, your own nginx includes the files in DATA_DIR/run.")
    var nginx = true

    @Option(
        help: ArgumentHelp(
            "Take over the service from the previous program, whose state is read from this descriptor.",
            visibility: .hidden))
    var takeover: Int32?

    func run() async throws {
        // The reader of standard output may be gone. Printing must not end the service then.
        Signal.ignoreBrokenPipes()
        var settings = try Settings.inForce()
        guard let program = Files.thisProgram() else { throw Refusal("cannot find this program's own file") }
        let templates = try NginxFiles.findTemplates(program)
        if nginx, !Files.exists(settings.nginxProgram) {
            throw Refusal(
                "NGINX is \"\(settings.nginxProgram)\", but there is no such program: install nginx, or set NGINX to its path",
                status: Refusal.wrongSettings)
        }
        settings.dataDirectory = try makeDirectories(settings)
        let descriptors = raiseDescriptorLimit(wanted: NginxFiles.descriptors(settings))

        let logger = settings.logger("serve")
        for warning in settings.warnings(Machine.environment()) { logger.warning("\(warning)") }
        if !settings.pacifica.ignored.isEmpty {
            logger.notice(
                "\(PacificaSettings.variable) has entries that have no effect in Postroom",
                metadata: ["names": "\(settings.pacifica.ignored.joined(separator: ", "))"])
        }
        let state = try takeover.map { try readState(FileDescriptor(rawValue: $0), &settings) }
        let worker = Machine.isRoot ? nginxUser(settings, templates) : nil
        let files = NginxFiles(settings: settings, templates: templates, descriptorLimit: descriptors)
        func supervisor(_ lock: FileLock, _ sockets: [FileDescriptor]) throws(Errno) -> Supervisor {
            try Supervisor(
                settings: settings, storeOnDisk: settings.storeOnDisk, files: files, workerUser: worker,
                program: program, lock: lock, sockets: sockets, runsNginx: nginx, state: state, logger: logger)
        }
        if let state {
            let lock = FileLock(holding: FileDescriptor(rawValue: state.lock))
            let sockets = state.sockets.map { FileDescriptor(rawValue: $0) }
            let shared = ([state.vitals] + state.nginxLog).map { FileDescriptor(rawValue: $0) }
            for descriptor in sockets + [lock.descriptor] + shared { try descriptor.setInherited(false) }
            try supervisor(lock, sockets).takeOver(migrating: state.migrates)
            return try await finish(settings, logger)
        }
        let lock: FileLock
        do throws(Errno) {
            lock = try FileLock(settings.dataDirectory.appending("serve.lock"), exclusive: true)
        } catch .wouldBlock {
            throw Refusal("another \"postroom serve\" already uses DATA_DIR \(settings.dataDirectory)")
        } catch {
            throw Refusal("cannot lock \(settings.dataDirectory): \(error)")
        }
        defer { withExtendedLifetime(lock) {} }

        endNginxLeftBehind(settings)
        if nginx { try checkAddresses(settings) }
        let room = StartingRoom(settings)
        room.release()
        try EarlierCrash(settings, settings.storeOnDisk).check(logger)
        try StoreReading.probe(settings)
        try await prepareStore(settings, logger)

        if files.connections < settings.maximumConnections {
            logger.warning(
                "fewer connections than MAX_CONNECTIONS, because of the limit of open files: raise it (ulimit -n, or LimitNOFILE in systemd)",
                metadata: [
                    "connections": .stringConvertible(files.connections), "files": .stringConvertible(descriptors),
                ])
        }
        let sockets = try openSockets(files, for: worker)
        _ = try files.write(workerUser: worker)
        try supervisor(lock, sockets).run {
            room.hold()
            logger.info(
                "serving",
                metadata: [
                    "version": "\(postroomVersion)",
                    "layout": .stringConvertible(Int(settings.storeOnDisk.layoutVersion)),
                    "address": "\(nginx ? address(settings) : settings.runDirectory.string)",
                    "operations": "\(operationsAddress(settings))", "data": "\(settings.dataDirectory)",
                ])
            announce(settings)
            ServiceManager.tellReady()
        }
        try await finish(settings, logger)
    }

    private func finish(_ settings: Settings, _ logger: Logger) async throws {
        try await settings.closeStore()
        logger.info("stopped")
    }

    private func readState(_ pipe: FileDescriptor, _ settings: inout Settings) throws -> SupervisorState {
        defer { try? pipe.close() }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = try unsafe buffer.withUnsafeMutableBytes { unsafe try pipe.read(into: $0) }
        guard let state = SupervisorState(Array(buffer[..<count])) else {
            throw Refusal("--takeover is only for a program that takes the place of another one")
        }
        // There are as many responders as sockets. The default of RESPONDERS depends on the machine and may have changed.
        settings.responders = state.sockets.count
        return state
    }

    private func prepareStore(_ settings: Settings, _ logger: Logger) async throws {
        let store = try settings.openStoreOfService { reason in
            logger.notice(
                "waiting up to 10 s for other processes to close the store", metadata: ["reason": "\(reason)"])
        }
        let secret = try await EncryptionSecret(settings, for: store)
        if secret.isNew {
            logger.notice(
                "created the secret that keys and credentials are encrypted with; keep a copy of it, or set DB_ENCRYPTION_SECRET",
                metadata: ["file": "\(EncryptionSecret.file(settings))"])
        }
        try await QueueLoading(store: store, settings: settings).start(logger)
    }

    /// Kills nginx's workers of an earlier start. If nginx's master was killed together with the supervisor, they go on and
    /// hold the port.
    private func endNginxLeftBehind(_ settings: Settings) {
        guard let bytes = Files.contents(of: settings.runDirectory.appending("nginx.pid")),
            let leader = Int32(SettingText.trimmed(String(decoding: bytes, as: UTF8.self)))
        else { return }
        ChildProcess.killGroup(ledBy: leader, named: "nginx")
    }

    /// Makes the directories that the service writes to, and returns DATA_DIR as an absolute path.
    private func makeDirectories(_ settings: Settings) throws(Refusal) -> FilePath {
        let directory: FilePath
        do throws(Errno) {
            try Files.makeDirectory(settings.dataDirectory, permissions: [.ownerReadWriteExecute, .groupReadExecute])
            guard let absolute = Files.absolute(settings.dataDirectory) else { throw .noSuchFileOrDirectory }
            directory = absolute
            // Responders trust all that arrives at the sockets, so that only this user and its group may enter the
            // directory.
            let run = directory.appending("run")
            try Files.makeDirectory(
                run.appending("temporary"), permissions: [.ownerReadWriteExecute, .groupReadExecute])
            try Files.changePermissions(of: run, to: [.ownerReadWriteExecute, .groupReadExecute])
        } catch {
            throw Refusal("DATA_DIR: cannot create \(settings.dataDirectory): \(error)")
        }
        let excess = directory.appending("run/responder-256.sock").string.utf8.count - UnixSocket.maximumPathBytes
        guard excess <= 0 else {
            let limit = directory.string.utf8.count - excess
            throw Refusal(
                "DATA_DIR is \"\(directory)\", but must have at most \(limit) bytes, because sockets are created in it",
                status: Refusal.wrongSettings)
        }
        return directory
    }

    /// The user for the workers of nginx, of Postroom's or the operator's own, if this process is root: an unprivileged one
    /// if it can reach the sockets, and otherwise root. Gives that user's group the directories that it has to enter.
    private func nginxUser(_ settings: Settings, _ templates: FilePath) -> String? {
        let parent = settings.dataDirectory.removingLastComponent()
        guard Files.everyoneMayPass(parent), Files.everyoneMayPass(templates),
            Files.permissions(of: settings.dataDirectory)?.contains(.groupExecute) == true,
            let (name, group) = ["www-data", "nginx", "nobody"].lazy.compactMap({ name in
                Machine.user(named: name).map { (name, $0.group) }
            }).first
        else { return "root" }
        for directory in [settings.dataDirectory, settings.runDirectory, settings.runDirectory.appending("temporary")] {
            try? Files.changeOwner(of: directory, user: nil, group: group)
        }
        return name
    }

    private func openSockets(_ files: NginxFiles, for worker: String?) throws(Refusal) -> [FileDescriptor] {
        var sockets: [FileDescriptor] = []
        for index in 1...files.settings.responders {
            let path = files.socketPath(index)
            do throws(Errno) {
                sockets.append(try UnixSocket.listen(at: path, backlog: files.backlog))
                if let worker, let (_, group) = Machine.user(named: worker) {
                    try Files.changeOwner(of: path, user: nil, group: group)
                }
            } catch {
                throw Refusal("cannot listen at \(path): \(error)")
            }
        }
        return sockets
    }

    /// Where clients on this machine reach the service.
    private func address(_ settings: Settings) -> String {
        let scheme = settings.tls == nil ? "http" : "https"
        let host = ["0.0.0.0", "::"].contains(settings.host) ? "127.0.0.1" : settings.host
        return "\(scheme)://\(NginxFiles.address(host, settings.port))\(settings.mountPoint)"
    }

    private func operationsAddress(_ settings: Settings) -> String {
        guard nginx, settings.operationsPort != 0 else { return "none" }
        return "http://\(NginxFiles.address(settings.operationsHost, settings.operationsPort))"
    }

    private func announce(_ settings: Settings) {
        #if DEBUG
            print("Built without optimization: \"make build\" makes a faster program.")
        #endif
        if nginx {
            let page = settings.hasInspector ? ", with a page for browsers" : ""
            print("Postroom \(postroomVersion) serves on \(address(settings))\(page). Create an endpoint:\n")
            print("    curl -X POST \(address(settings))/manage/endpoint\n")
        } else {
            print("Postroom \(postroomVersion) is ready. Include these files in the configuration of your nginx:")
            print("    \(settings.runDirectory)/upstream.conf in the http block")
            print("    \(settings.runDirectory)/locations.conf in a server block")
            print("    \(settings.runDirectory)/operations.conf in a server block of its own, only for operators:")
            print("        health and metrics. OPS_SERVER_PORT has no effect without Postroom's nginx.")
        }
        flushOutput()
    }

    /// Refuses to start if nginx could not listen at one of its addresses, for instance because another program does. Waits
    /// up to one second for an address in use: the sockets of an nginx that was just killed may take a moment to close.
    private func checkAddresses(_ settings: Settings) throws(Refusal) {
        var addresses = [("APP_PORT", "APP_HOST", settings.host, settings.port)]
        if let port = settings.apiPort, port != settings.port {
            addresses.append(("API_SERVER_PORT", "APP_HOST", settings.host, port))
        }
        if settings.operationsPort != 0 {
            addresses.append(
                ("OPS_SERVER_PORT", "OPS_SERVER_HOST", settings.operationsHost, settings.operationsPort))
        }
        let deadline = SystemClock.bootTimeMicroseconds() + 1_000_000
        for (name, hostName, host, port) in addresses {
            guard let address = IPAddress(host) else { continue }
            while true {
                do throws(Errno) {
                    try TCPSocket.tryListening(at: address, port: port)
                    break
                } catch .addressInUse where SystemClock.bootTimeMicroseconds() < deadline {
                    SystemClock.pause(milliseconds: 50)
                } catch .addressInUse {
                    let remedy = name == "OPS_SERVER_PORT" ? "another port, or to 0 for none" : "another port"
                    throw Refusal(
                        "\(name) is \(port), but another program already listens at \(NginxFiles.address(host, port)); "
                            + "set \(name) to \(remedy)")
                } catch .addressNotAvailable {
                    throw Refusal("\(hostName) is \(host), but this machine does not have that address")
                } catch .permissionDenied {
                    throw Refusal(
                        "\(name) is \(port), but this user may not listen on that port; set it to 1024 or more, or give the "
                            + "program CAP_NET_BIND_SERVICE")
                } catch {
                    throw Refusal(
                        "\(name) is \(port), but nginx cannot listen at \(NginxFiles.address(host, port)): \(error)")
                }
            }
        }
    }
}
