import Delivery
import HTTP
import JSON
import Values

@testable import Webhooks

enum Example {
    static let environment = "0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50"
    /// An id that nothing has.
    static let nobody = "00000000-0000-4000-8000-000000000000"
    static let minimal = #"{"name": "n", "url": "https://x/", "events": ["job-created"]}"#

    /// 2026-11-22T06:05:37.619275Z, the machine having run for an hour.
    static let moment = Moment(
        wall: Timestamp(microseconds: 1_795_327_537_619_275), steady: Timestamp(microseconds: 3_600_000_000))

    /// The key of RFC 8410, section 10.1.
    static let pem = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
        -----END PUBLIC KEY-----

        """

    /// Reverses the bytes, and puts the purpose before them.
    static let sealing = Sealing(
        seal: { plain, purpose in purpose.context + plain.reversed() },
        open: { sealed, purpose in
            sealed.starts(with: purpose.context) ? sealed.dropFirst(purpose.context.count).reversed() : nil
        })

    static func key(_ id: String, signsFrom: Timestamp) -> Keyring.Key {
        Keyring.Key(
            id: id, algorithm: "ed25519", publicKey: pem, sealedPrivateKey: [], created: moment.wall,
            signsFrom: signsFrom)
    }
}

/// Accepts only URLs with https.
struct SecureURLs: URLChecking {
    /// The result of looking up any URL.
    var lookedUp: () -> LookupResult<String?> = { .found(nil) }

    func fault(_ url: String) -> String? { url.hasPrefix("https://") ? nil : "it does not begin with https://" }

    func refusal(of url: String, _ context: any RequestContext) async -> LookupResult<String?> { lookedUp() }
}

func members(_ json: JSON?) -> [String] {
    guard case .object(let members)? = json else { return [] }
    return members.map(\.name)
}
