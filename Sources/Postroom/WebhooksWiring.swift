internal import Cryptography
internal import Delivery
internal import DeliveryEngine
internal import FastCGI
internal import Gateway
internal import Linux
internal import Logging
internal import Lookups
internal import MappedStore
internal import Webhooks

extension WebhookHandlers {
    convenience init(store: MappedStore, settings: Settings, sealing: Sealing, lookups: Lookups) {
        let clock = store.clock
        let algorithm = settings.webhookSignatureAlgorithm
        self.init(
            store: store, settings: settings.webhooks,
            urls: TargetChecking(settings, lookups, httpsOnly: settings.webhooksAreHTTPSOnly), sealing: sealing,
            makeKey: { signsFrom in
                guard let key = SigningKey(generating: algorithm) else { return nil }
                var random = SystemRandomNumberGenerator()
                return Keyring.Key(
                    id: UUID(random: &random).description, algorithm: algorithm.rawValue, publicKey: key.publicKeyPEM,
                    sealedPrivateKey: sealing.seal(key.privateKey, .privateKey), created: clock.now().wall,
                    signsFrom: signsFrom)
            }, environmentExists: lookups.environment, now: clock.now, random: SystemRandomNumberGenerator())
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
