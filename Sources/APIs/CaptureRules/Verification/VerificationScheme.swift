internal import Cryptography
internal import Encodings
internal import HTTP

/// A preset with its parameters: which key signs what, and where the signature is.
struct VerificationScheme: Sendable {
    let preset: VerificationPreset
    var header: String
    var timestampHeader: String?
    /// Before the signature in its header.
    var prefix = ""
    var algorithm = DigestAlgorithm.sha256
    var form = SignatureForm.hexadecimal
    /// As the client has set it; empty if there is only a public key.
    var secret = ""
    var publicKey: Ed25519PublicKey?
    /// How far the time of a signature may be from now; 0 for any distance.
    var toleranceSeconds = 300

    init(_ preset: VerificationPreset) {
        self.preset = preset
        header = preset.header ?? ""
        timestampHeader = preset.timestampHeader
        switch preset {
        case .github: prefix = "sha256="
        case .slack: prefix = "v0="
        case .standardWebhooks, .shopify, .threeDVerse: form = .base64
        case .twilio: (algorithm, form) = (.sha1, .base64)
        case .stripe, .gitlab, .hmac: break
        }
    }

    var hasSecret: Bool { !secret.isEmpty }

    /// The key of the HMAC that the preset makes of the secret.
    var key: [UInt8] {
        guard preset == .standardWebhooks else { return Array(secret.utf8) }
        return Self.base64(secret.hasPrefix("whsec_") ? secret.dropFirst(6) : secret[...]) ?? []
    }

    /// The bytes of Base64 with or without padding, in either alphabet.
    static func base64(_ text: some StringProtocol) -> [UInt8]? {
        let digits = text.utf8.filter { $0 != UInt8(ascii: "=") }.map { byte in
            byte == UInt8(ascii: "+") ? UInt8(ascii: "-") : byte == UInt8(ascii: "/") ? UInt8(ascii: "_") : byte
        }
        return digits.isEmpty ? nil : Base64.url.decode(digits)
    }

    /// What is signed.
    /// - Parameters:
    ///   - body: the request's, or a variation of it.
    ///   - url: the request's, or a variation of it.
    func base(
        of signature: PresentedSignature, _ request: ReceivedRequest, body: @autoclosure () -> [UInt8], url: [UInt8]
    ) -> [UInt8] {
        let time = Array(signature.timestamp.utf8)
        let point = [UInt8(ascii: ".")]
        switch preset {
        case .standardWebhooks: return signature.id + point + time + point + body()
        case .stripe, .threeDVerse: return time + point + body()
        case .slack: return Array("v0:".utf8) + time + [UInt8(ascii: ":")] + body()
        case .github, .shopify, .hmac: return body()
        case .gitlab: return []
        case .twilio: return url + TwilioFields.signed(request)
        }
    }

    /// The HMAC as its header has it, without what is before it.
    func signature(of base: [UInt8]) -> String { form.text(algorithm.authenticationCode(of: base, key: key)) }

    /// What is before the HMAC in its header, or in an item of the header's list.
    var shownPrefix: String {
        switch preset {
        case .standardWebhooks: "v1,"
        case .stripe: "v1="
        default: prefix
        }
    }
}

/// How the bytes of a signature are written.
enum SignatureForm: String, CaseIterable, Sendable {
    case hexadecimal = "hex"
    case base64

    func text(_ bytes: [UInt8]) -> String {
        self == .base64 ? Base64.standard.encode(bytes) : Encodings.hexadecimal(bytes)
    }

    var name: String { self == .base64 ? "Base64" : "hexadecimal digits in lower case" }
}
