internal import ArgumentParser
internal import Cryptography
internal import Events
internal import FastCGI
internal import HTTP
internal import Linux
internal import Logging
internal import Lookups
internal import PostroomService
internal import Storage
internal import SystemPackage
internal import Values

struct Respond: AsyncCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer FastCGI requests from the listening socket given as descriptor 0.",
        discussion: "Started by \"postroom serve\", systemd or another supervisor. SIGTERM stops it gracefully.")

    @Option(help: ArgumentHelp("When the service was started, in microseconds since 1970.", visibility: .hidden))
    var started: Int64?

    @Option(help: ArgumentHelp("Stop when this process, the parent, dies.", visibility: .hidden))
    var parent: Int32?

    @Option(help: ArgumentHelp("Write a byte to this descriptor when the process is ready.", visibility: .hidden))
    var ready: Int32?

    @Option(
        help: ArgumentHelp("This process's slot in the shared memory of descriptor 4.", visibility: .hidden))
    var heartbeat: Int?

    func run() async throws {
        if let parent { Signal.send(Signal.terminate, whenParentDies: parent) }
        let settings = try Settings.inForce()
        let socket = FileDescriptor(rawValue: 0)
        guard UnixSocket.isListening(socket) else {
            throw Refusal("descriptor 0 is not a listening socket; \"postroom serve\" starts responders with one")
        }
        let descriptors = raiseDescriptorLimit()
        let logger = settings.logger("responder \(Machine.processID)")
        let vitals = heartbeat.flatMap { _ in Vitals(FileDescriptor(rawValue: Vitals.childDescriptor)) }
        // A supervisor of this version gives every process a heartbeat; older ones do not.
        let isOfOlderSupervisor = parent != nil && ready != nil && heartbeat == nil
        let serviceStore = ServiceStore(
            settings: settings, parent: parent, isSuccessor: isOfOlderSupervisor, logger: logger)
        // Whether this process answers with 503 where the store cannot be opened. Others fail instead: a successor, because
        // the process that it was to replace goes on; and one without a supervisor, which exits with the error.
        let mayRefuse = parent != nil && ready == nil
        let store: any StorageEngine
        do {
            // Reading a file that was truncated after the service had started would crash this process. So another process
            // probes it first.
            if mayRefuse, settings.storeOnDisk.fault != nil { try StoreReading.probe(settings) }
            store = try serviceStore.open(gathers: true)
        } catch let error as Refusal {
            guard mayRefuse else { throw error }
            return try refuse(error, socket, settings, heartbeat.flatMap { vitals?.heartbeat($0) }, logger)
        }
        if isOfOlderSupervisor { NginxRepair(settings: settings, logger: logger).run() }
        store.heartbeat = heartbeat.flatMap { vitals?.heartbeat($0) }
        let secret = try await EncryptionSecret(settings, for: store)
        let start = started ?? SystemClock.realTimeMicroseconds()
        returnLargeBlocks()
        let lookups = try Lookups(settings, logger: logger)
        let background = try BackgroundThread()
        let application = Application(
            store: store, settings: settings, sealing: secret.sealing,
            loginKey: secret.key.derived(for: Array("logins".utf8)), lookups: lookups, background: background,
            trials: try BackgroundThread(), started: Timestamp(microseconds: start), vitals: vitals, logger: logger)
        // From here on only the loop uses the application.
        nonisolated(unsafe) let loop = try ResponderLoop(
            listener: socket, service: application,
            bodyLimit: max(settings.maximumBodyBytes, settings.maximumMessageBytes, settings.events.maximumEventBytes),
            spoolDirectory: spoolDirectory(settings, logger),
            parkedLimit: NginxFiles(settings: settings, templates: "", descriptorLimit: descriptors).parkedPerResponder,
            heartbeat: store.heartbeat, logger: logger)
        tellReady(ready)
        logger.debug("ready")
        try unsafe ResponderLoop.run(loop, shutdownSeconds: settings.shutdownSeconds)
        try? await store.checkpoint()
        logger.debug("stopped")
    }

    /// The directory where long requests are collected. Under another supervisor nobody else makes it.
    private func spoolDirectory(_ settings: Settings, _ logger: Logger) -> FilePath {
        let directory = settings.runDirectory.appending("temporary")
        do throws(Errno) {
            try Files.makeDirectory(directory, permissions: [.ownerReadWriteExecute, .groupReadExecute])
            let file = try Files.unnamed(in: directory)
            try? file.close()
        } catch {
            logger.warning("cannot create files in \(directory): \(error); long requests are collected in memory")
        }
        return directory
    }

    /// Answers every request with 503 until the store may be usable again.
    private func refuse(
        _ refusal: Refusal, _ socket: FileDescriptor, _ settings: Settings, _ heartbeat: sending Heartbeat?,
        _ logger: Logger
    ) throws {
        logger.critical("\(refusal); all requests are answered with 503")
        let loop = try ResponderLoop(
            listener: socket,
            service: UnavailableService(
                reason: "\(refusal)", sources: [try StoreReturn(settings.storeOnDisk)]),
            bodyLimit: 0, heartbeat: heartbeat, logger: logger)
        try ResponderLoop.run(loop, shutdownSeconds: settings.shutdownSeconds)
    }
}
