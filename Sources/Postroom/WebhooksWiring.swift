internal import Cryptography
internal import Delivery
internal import Gateway
internal import Linux
internal import MappedStore
internal import Webhooks

extension WebhookHandlers {
    convenience init(store: MappedStore, settings: Settings, sealing: Sealing) {
        let clock = store.clock
        let algorithm = settings.webhookSignatureAlgorithm
        self.init(
            store: store, settings: settings.webhooks, urls: TargetChecking(settings), sealing: sealing,
            makeKey: { signsFrom in
                guard let key = SigningKey(generating: algorithm) else { return nil }
                var random = SystemRandomNumberGenerator()
                return Keyring.Key(
                    id: UUID(random: &random).description, algorithm: algorithm.rawValue, publicKey: key.publicKeyPEM,
                    sealedPrivateKey: sealing.seal(key.privateKey, .privateKey), created: clock.now().wall,
                    signsFrom: signsFrom)
            }, environmentExists: { _ in .yes }, now: clock.now, random: SystemRandomNumberGenerator())
    }
}

/// Which URLs a webhook may have.
struct TargetChecking: URLChecking {
    private let isHTTPSOnly: Bool
    private let addresses: AddressGuard

    init(_ settings: Settings) {
        isHTTPSOnly = settings.webhooksAreHTTPSOnly
        addresses = AddressGuard(allowing: settings.allowedSubnets)
    }

    func fault(_ url: String) -> String? {
        do throws(TargetURL.Problem) {
            let target = try TargetURL(url, httpsOnly: isHTTPSOnly)
            return target.address.flatMap { addresses.refusal(of: $0) }
        } catch {
            return error.description
        }
    }
}
