internal import Cryptography
internal import Delivery
internal import DeliveryEngine
internal import FastCGI
internal import HTTP
internal import Linux
internal import Logging
internal import Lookups
internal import Storage
internal import Values
internal import Webhooks

extension WebhookHandlers {
    convenience init(
        store: any StorageEngine, settings: Settings, sealing: Sealing, lookups: Lookups, background: any Background
    ) {
        let clock = store.clock
        let algorithm = settings.webhookSignatureAlgorithm
        let stock = KeyStock(algorithm, background)
        self.init(
            store: store.webhooks, settings: settings.webhooks,
            urls: TargetChecking(settings, lookups, httpsOnly: settings.webhooksAreHTTPSOnly), sealing: sealing,
            makeKey: { signsFrom in
                guard let key = stock.take() else { return nil }
                var random = SystemRandomNumberGenerator()
                return Keyring.Key(
                    id: UUID(random: &random).description, algorithm: algorithm.rawValue, publicKey: key.publicKeyPEM,
                    sealedPrivateKey: sealing.seal(key.privateKey, .privateKey), created: clock.now().wall,
                    signsFrom: signsFrom)
            }, keys: stock.prepare, environmentExists: lookups.environment, now: clock.now,
            random: SystemRandomNumberGenerator())
    }
}

/// Keys that wait to be used. A key whose making takes long (RSA: some 100 ms) is made beside the loop.
private final class KeyStock {
    private let algorithm: SignatureAlgorithm
    private let background: any Background
    private var keys: [SigningKey] = []
    private var making = 0
    /// Whether libcrypto made no key; then the next request is told so.
    private var hasFailed = false

    init(_ algorithm: SignatureAlgorithm, _ background: any Background) {
        self.algorithm = algorithm
        self.background = background
    }

    private var isQuick: Bool { algorithm != .rsaSHA256 }

    /// Whether so many keys can be taken at once; if not, they are made.
    func prepare(_ count: Int) -> KeyStanding {
        if isQuick || keys.count >= count || hasFailed { return .ready }
        while !hasFailed, making < count - keys.count {
            let algorithm = algorithm
            let isBegun = background.run(
                { SigningKey(generating: algorithm) },
                done: { [weak self] key in
                    guard let self else { return }
                    making -= 1
                    if let key { keys.append(key) } else { hasFailed = true }
                })
            guard isBegun else { return .tooMany }
            making += 1
        }
        return hasFailed || keys.count >= count ? .ready : .pending
    }

    func take() -> SigningKey? {
        if isQuick { return SigningKey(generating: algorithm) }
        hasFailed = false
        return keys.popLast()
    }
}

/// Which URLs webhooks and subscriptions may have.
struct TargetChecking: URLChecking {
    private let isHTTPSOnly: Bool
    private let addresses: AddressGuard
    private let lookups: Lookups
    private static let loopback = ["127.0.0.0/8", "::1/128"].compactMap { IPNetwork($0) }

    init(_ settings: Settings, _ lookups: Lookups, httpsOnly: Bool) {
        self.lookups = lookups
        isHTTPSOnly = httpsOnly
        addresses = AddressGuard(allowing: settings.allowedSubnets)
    }

    func fault(_ url: String) -> String? { addresses.fault(ofURL: url, httpsOnly: isHTTPSOnly) }

    func reach(_ url: String) -> Reach {
        guard let target = try? TargetURL(url) else { return .open }
        if let address = target.address {
            return addresses.refusal(of: address).map { .closed($0) } ?? .open
        }
        switch lookups.addresses(of: target.host) {
        case .known(let found):
            let reasons = found.compactMap { addresses.refusal(of: $0) }
            // Both loopback addresses are this host: one of them open is enough.
            let isThisHost = found.allSatisfy { address in Self.loopback.contains { $0.contains(address) } }
            let reason = isThisHost && reasons.count < found.count ? nil : reasons.first
            return reason.map { .closed("the name \(target.host) cannot be called: \($0)") } ?? .open
        case .pending: return .pending
        case .tooMany: return .tooMany
        }
    }
}

extension Lookups: Inquiries {}

extension Lookups {
    convenience init(_ settings: Settings, logger: Logger) throws {
        let projects = settings.projectManagementURL.map {
            ProjectManagement(url: $0, userAgent: settings.delivery.headers.userAgent)
        }
        try self.init(projects: projects, logger: logger)
    }
}
