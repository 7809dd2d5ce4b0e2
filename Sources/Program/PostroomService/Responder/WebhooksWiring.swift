internal import Cryptography
internal import Delivery
internal import DeliveryEngine
internal import FastCGI
internal import HTTP
internal import Linux
package import Logging
package import Lookups
internal import Storage
internal import Values
internal import Webhooks

extension WebhookHandlers {
    convenience init(
        store: any StorageEngine, settings: Settings, sealing: Sealing, lookups: Lookups, background: any Background
    ) {
        let keys = KeyMaker(
            settings.webhookSignatureAlgorithm, sealing: sealing, now: store.clock.now, background: background)
        self.init(
            store: store.webhooks, settings: settings.webhooks,
            urls: TargetChecking(settings, lookups, httpsOnly: settings.webhooksAreHTTPSOnly), sealing: sealing,
            keys: keys, environments: lookups, now: store.clock.now, random: SystemRandomNumberGenerator())
    }
}

extension Lookups: EnvironmentDirectory {}

/// Makes signing keys. An RSA key takes some 100 ms, so that another thread makes it.
private final class KeyMaker: KeyMaking {
    private let algorithm: SignatureAlgorithm
    private let sealing: Sealing
    private let now: () -> Moment
    private let background: any Background

    init(
        _ algorithm: SignatureAlgorithm, sealing: Sealing, now: @escaping () -> Moment, background: any Background
    ) {
        self.algorithm = algorithm
        self.sealing = sealing
        self.now = now
        self.background = background
    }

    func key(signsFrom time: Timestamp) async -> KeyMade {
        let pair: SigningKey?
        if algorithm == .rsaSHA256 {
            let algorithm = algorithm
            guard let made = await background.result(of: { SigningKey(generating: algorithm) }) else {
                return .tooMany
            }
            pair = made
        } else {
            pair = SigningKey(generating: algorithm)
        }
        guard let pair else { return .failed }
        var random = SystemRandomNumberGenerator()
        return .key(
            Keyring.Key(
                id: UUID(random: &random).description, algorithm: algorithm.rawValue, publicKey: pair.publicKeyPEM,
                sealedPrivateKey: sealing.seal(pair.privateKey, .privateKey), created: now().wall,
                signsFrom: time))
    }
}

/// Decides which URLs webhooks and subscriptions may have.
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

    func refusal(of url: String, _ context: any RequestContext) async -> LookupResult<String?> {
        guard let target = try? TargetURL(url) else { return .found(nil) }
        if let address = target.address { return .found(addresses.refusal(of: address)) }
        switch await lookups.addresses(of: target.host, context) {
        case .found(let found):
            let reasons = found.compactMap { addresses.refusal(of: $0) }
            // If all addresses of the name are loopback addresses, they are all this host: one that is allowed is enough.
            let isThisHost = found.allSatisfy { address in Self.loopback.contains { $0.contains(address) } }
            let reason = isThisHost && reasons.count < found.count ? nil : reasons.first
            return .found(reason.map { "the host \(target.host) cannot be called: \($0)" })
        case .unanswered: return .unanswered
        case .tooMany: return .tooMany
        }
    }
}

extension Lookups: LoopSource {}

extension Lookups {
    package convenience init(_ settings: Settings, logger: Logger) throws {
        let projects = settings.projectManagementURL.map {
            ProjectManagement(url: $0, userAgent: settings.delivery.headers.userAgent)
        }
        try self.init(projects: projects, logger: logger)
    }
}
