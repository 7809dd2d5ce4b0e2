import Cryptography
import Curl
import Delivery
import DeliveryEngine
import HTTP
import Linux
import MappedStore
import SystemPackage
import TestSupport
import Testing
import Values
import Webhooks

/// A real store, and a receiver that does what its URL says. The time is that of the clock, plus what a test skips.
final class Delivering {
    let store: MappedStore
    let receiver: Receiver
    let environment: UUID
    let signingKey: SigningKey
    private let network: IPNetwork
    private(set) var skippedSeconds = 0.0

    init(store: MappedStore, receiver: Receiver) throws {
        self.store = store
        self.receiver = receiver
        var random = SystemRandomNumberGenerator()
        environment = UUID(random: &random)
        signingKey = try #require(SigningKey(ed25519Seed: [UInt8](repeating: 7, count: 32)))
        network = try #require(IPNetwork("127.0.0.0/8"))
    }

    static func with(_ options: [String] = [], _ body: (Delivering) throws -> Void) throws {
        try withReceiver(options) { receiver in
            try withTemporaryDirectory { directory in
                let store = try MappedStore(
                    directory: directory, MappedStore.Options(maximumBytes: 64 << 20, isDurable: false))
                try body(Delivering(store: store, receiver: receiver))
                #expect(try store.check().faults == [])
            }
        }
    }

    var now: Moment {
        let now = store.clock.now()
        return Moment(
            wall: now.wall.adding(seconds: skippedSeconds), steady: now.steady.adding(seconds: skippedSeconds))
    }

    func skip(seconds: Double) { skippedSeconds += seconds }

    /// Reverses the bytes, and puts the purpose before them.
    static let sealing = Sealing(
        seal: { plain, purpose in purpose.context + plain.reversed() },
        open: { sealed, purpose in
            sealed.starts(with: purpose.context) ? sealed.dropFirst(purpose.context.count).reversed() : nil
        })

    /// - Parameter other: a store to use instead of the real one.
    func dispatcher(
        over other: (any DeliveryStore)? = nil, blocksLoopback: Bool = false,
        _ change: (inout DispatcherSettings) -> Void = { _ in }
    ) throws -> Dispatcher {
        var settings = DispatcherSettings()
        change(&settings)
        let addresses = AddressGuard(allowing: blocksLoopback ? [] : [network])
        let multi = try Multi(connectionsPerHost: 0, idleSeconds: 60, dnsSeconds: 60)
        return Dispatcher(
            store: other ?? store.deliveries, multi: multi, settings: settings, sealing: Self.sealing,
            shaping: Unshaped(),
            mayConnect: { addresses.allows($0) }, now: { [unowned self] in now },
            random: SystemRandomNumberGenerator())
    }

    @discardableResult
    func create(
        _ path: String = "/", _ policy: RetryPolicy = .fixed(retries: 3, interval: 1), event: String = "job-created",
        change: (inout Destination) -> Void = { _ in }
    ) throws -> Webhook {
        var random = SystemRandomNumberGenerator()
        var destination = Destination(number: 0, url: "http://127.0.0.1:\(receiver.port)\(path)", policy: .own(policy))
        change(&destination)
        let webhook = Webhook(
            id: UUID(random: &random), environment: environment, name: "n", events: [event], destination: destination,
            created: now.wall, updated: now.wall)
        let key = Keyring.Key(
            id: "key", algorithm: "ed25519", publicKey: signingKey.publicKeyPEM,
            sealedPrivateKey: Self.sealing.seal(signingKey.privateKey, .privateKey), created: now.wall,
            signsFrom: now.wall)
        guard case .created(let made) = try store.webhooks.create(webhook, for: nil, limit: 100, key: key) else {
            throw Errno.invalidArgument
        }
        try store.commit()
        return made
    }

    func accept(_ ids: String..., type: String = "job-created", body: String = "{}") throws {
        for id in ids {
            let event = Event(id: id, type: type, body: Array(body.utf8))
            #expect(try store.webhooks.accept(event, in: environment, for: nil, at: now).deliveries > 0)
        }
        try store.commit()
    }

    func log(_ webhook: Webhook) throws -> [LogEntry] {
        try #require(try store.webhooks.log(of: webhook.id, LogQuery(limit: 1000))).entries
    }

    /// The number of pending deliveries of all webhooks.
    func pending() throws -> Int {
        var pending = 0
        for webhook in try store.webhooks.webhooks(of: environment) {
            pending += try store.webhooks.statistics(of: webhook.id)?.pending ?? 0
        }
        return pending
    }

    /// Runs the dispatchers one after the other until `condition` holds.
    /// - Returns: whether it did in the end.
    func work(_ dispatchers: Dispatcher..., until condition: () throws -> Bool) throws -> Bool {
        for _ in 0..<4000 {
            for dispatcher in dispatchers { try round(dispatcher) }
            if try condition() { return true }
        }
        return false
    }

    /// Works until no attempt is in flight and none is due.
    func workUntilIdle(_ dispatcher: Dispatcher) throws {
        let isOver = try work(dispatcher) {
            dispatcher.attemptsInFlight == 0 && !dispatcher.hasFinished
                && dispatcher.nextDue.map { $0 > now.steady } ?? true
        }
        #expect(isOver)
    }

    func round(_ dispatcher: Dispatcher) throws {
        try dispatcher.wait(milliseconds: dispatcher.hasFinished ? 0 : 5, descriptors: [])
        guard dispatcher.hasWork(storeHasChanged: true) else { return }
        let starts = try dispatcher.dispatchNow()
        try store.commit()
        dispatcher.begin(starts)
    }
}

extension Receiver.Arrival {
    /// - Parameter name: in lower case.
    func header(_ name: String) -> String? { headers.first { $0[0].lowercased() == name }?[1] }
}

/// For destinations that get payloads unchanged.
final class Unshaped: PayloadShaping {
    func shape(_ payload: Payload, as shape: [UInt8]) throws(ShapingFault) -> ShapedPayload {
        throw ShapingFault(reason: "no destination has a shape")
    }
}

extension Dispatcher {
    /// Dispatches on the thread of the test.
    func dispatchNow() throws(StoreFailure) -> [DeliveryStep.Start] {
        try LoopExecutor.complete { () async throws(StoreFailure) in try await dispatch() }
    }
}
