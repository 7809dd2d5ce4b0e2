internal import ArgumentParser
internal import Capture
internal import Curl
internal import Delivery
internal import DeliveryEngine
internal import Events
internal import HTTP
internal import Linux
internal import Logging
internal import Lookups
internal import PostroomService
internal import Storage
internal import SystemPackage
internal import Values

struct Work: AsyncCommand {
    static let configuration = CommandConfiguration(
        abstract: "Do the background work: match events, make deliveries, and remove expired data.",
        discussion: "Started by \"postroom serve\", systemd or another supervisor. SIGTERM stops it gracefully.")

    @Option(help: ArgumentHelp("Stop when this process, the parent, dies.", visibility: .hidden))
    var parent: Int32?

    @Option(help: ArgumentHelp("Write a byte to this descriptor when the process is ready.", visibility: .hidden))
    var ready: Int32?

    @Option(
        help: ArgumentHelp("This process's slot in the shared memory of descriptor 4.", visibility: .hidden))
    var heartbeat: Int?

    func run() async throws {
        if let parent { Signal.send(Signal.terminate, whenParentDies: parent) }
        Signal.ignoreBrokenPipes()
        let settings = try Settings.inForce()
        let logger = settings.logger("worker \(Machine.processID)")
        let vitals = heartbeat.flatMap { _ in Vitals(FileDescriptor(rawValue: Vitals.childDescriptor)) }
        let store = try ServiceStore(
            settings: settings, parent: parent, isSuccessor: ready != nil && heartbeat == nil, logger: logger
        ).open()
        store.heartbeat = heartbeat.flatMap { vitals?.heartbeat($0) }
        let secret = try await EncryptionSecret(settings, for: store)
        try await settings.sendOperationalEvents(of: store, sealing: secret.sealing)
        let multi = try Multi(
            connectionsPerHost: 0, idleSeconds: 60, dnsSeconds: 60, keptConnections: settings.delivery.inFlight)
        let addresses = AddressGuard(allowing: settings.allowedSubnets)
        let clock = store.clock
        let dispatcher = Dispatcher(
            store: store.deliveries, multi: multi, settings: settings.delivery, sealing: secret.sealing,
            shaping: EventShaper(), mayConnect: { addresses.allows($0) }, now: clock.now,
            random: SystemRandomNumberGenerator())
        let confirmer = Confirmer(
            store: store.capture, multi: try Multi(connectionsPerHost: 0, idleSeconds: 60, dnsSeconds: 60),
            settings: settings.delivery, mayConnect: { addresses.allows($0) }, now: clock.now)
        let forwarder = try settings.forwarder(store.capture, now: clock.now)
        let intake =
            try settings.kafka.brokers.isEmpty
            ? nil
            : KafkaIntake(
                settings.kafka, maximumBytes: settings.kafka.eventLimit(bodyLimit: settings.maximumBodyBytes),
                store: store, lookups: Lookups(settings, logger: logger), logger: logger)
        let worker = try Worker(
            store: store, settings: settings, dispatcher: dispatcher, confirmer: confirmer, forwarder: forwarder,
            intake: intake, logger: logger)
        let lock = try await takeOver(dispatcher, forwarder, store, settings, logger)
        tellReady(ready)
        defer { withExtendedLifetime(lock) {} }
        try await worker.run()
        try? await store.checkpoint()
    }

    /// Every worker holds a shared lock. A worker that can lock it exclusively is the only one, and takes over the attempts
    /// of earlier workers at once instead of waiting for their leases to end. A database may have workers on other machines:
    /// there, leases end by themselves.
    private func takeOver(
        _ dispatcher: Dispatcher, _ forwarder: Forwarder?, _ store: any StorageEngine, _ settings: Settings,
        _ logger: Logger
    ) async throws -> FileLock {
        let path = settings.dataDirectory.appending("worker.lock")
        if settings.database == nil, let alone = try? FileLock(path, exclusive: true) {
            defer { withExtendedLifetime(alone) {} }
            let count = try await dispatcher.takeOver()
            let forwards = try await forwarder?.takeOver() ?? 0
            try store.commit()
            if count > 0 {
                logger.info(
                    "repeating the attempts that an earlier worker did not finish",
                    metadata: ["deliveries": .stringConvertible(count)])
            }
            if forwards > 0 {
                logger.info(
                    "repeating the attempts to forward that an earlier worker did not finish",
                    metadata: ["forwards": .stringConvertible(forwards)])
            }
        }
        // Another worker may hold the lock exclusively now. It cannot take over attempts of this one, which has begun none
        // yet.
        return try FileLock(path, exclusive: false, waits: true)
    }
}

extension Settings {
    /// Sends notifications on; `nil` if ENDPOINT_FORWARDING does not allow it.
    fileprivate func forwarder(_ store: any ForwardStore, now: @escaping () -> Moment) throws -> Forwarder? {
        guard capturePermissions.allowsForwarding else { return nil }
        let addresses = AddressGuard(allowing: allowedSubnets)
        return Forwarder(
            store: store, multi: try Multi(connectionsPerHost: 0, idleSeconds: 60, dnsSeconds: 60), settings: delivery,
            policy: .schedule(forwardRetrySchedule), mayConnect: { addresses.allows($0) }, now: now,
            random: SystemRandomNumberGenerator())
    }
}
