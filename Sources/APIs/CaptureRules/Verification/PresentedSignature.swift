internal import Cryptography
internal import Encodings
internal import HTTP
internal import Values

/// The signature that a request has, as its headers say.
struct PresentedSignature: Equatable {
    /// The signatures without their prefix; one of them has to be right.
    var texts: [String]
    /// Signatures of `v1a`.
    var publicKeyTexts: [String] = []
    /// What is shown of the header.
    var shown: String
    var id: [UInt8] = []
    /// As sent; empty if the preset has no time.
    var timestamp = ""
    /// The algorithm that the headers name; `nil` if the preset's is used.
    var algorithm: DigestAlgorithm?

    /// Why a request has no signature that can be checked.
    struct Fault: Error, Equatable {
        let cause: Verdict.Cause
        let reason: String
    }
}

/// The headers of a request in which a signature is looked for.
struct SignatureReader {
    let fields: FieldList
    let scheme: VerificationScheme

    func read() throws(PresentedSignature.Fault) -> PresentedSignature {
        switch scheme.preset {
        case .standardWebhooks: try standardWebhooks()
        case .stripe: try stripe()
        case .twilio: try twilio()
        case .github, .slack, .shopify, .gitlab, .threeDVerse, .hmac: try prefixed()
        }
    }

    private func prefixed() throws(PresentedSignature.Fault) -> PresentedSignature {
        let text = try value(of: scheme.header)
        var signature = PresentedSignature(texts: [], shown: text)
        if let header = scheme.timestampHeader { signature.timestamp = try value(of: header) }
        guard text.hasPrefix(scheme.prefix) else {
            let found = text.prefix { $0 != "=" && $0 != "," }
            let other = found.count < text.count && found.count <= 10 ? ", but begins with \(found)=" : ""
            throw malformed("\(scheme.header) must begin with \(scheme.prefix)\(other)")
        }
        signature.texts = [String(text.dropFirst(scheme.prefix.count))]
        return signature
    }

    private func standardWebhooks() throws(PresentedSignature.Fault) -> PresentedSignature {
        // Svix, where the format comes from, sends the same under names of its own.
        let isSvix = fields.values(of: "webhook-signature").isEmpty && !fields.values(of: "svix-signature").isEmpty
        let prefix = isSvix ? "Svix" : "Webhook"
        let text = try value(of: "\(prefix)-Signature")
        var signature = PresentedSignature(texts: [], shown: text)
        signature.timestamp = try value(of: "\(prefix)-Timestamp")
        signature.id = Array(try value(of: "\(prefix)-Id").utf8)
        for token in text.split(separator: " ") {
            let parts = token.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            if parts[0] == "v1" { signature.texts.append(String(parts[1])) }
            if parts[0] == "v1a" { signature.publicKeyTexts.append(String(parts[1])) }
        }
        let isUsable =
            scheme.hasSecret && !signature.texts.isEmpty
            || scheme.publicKey != nil && !signature.publicKeyTexts.isEmpty
        guard isUsable else {
            let wanted = [scheme.hasSecret ? "v1,…" : nil, scheme.publicKey != nil ? "v1a,…" : nil]
            let list = wanted.compactMap(\.self).joined(separator: " or ")
            throw malformed("\(prefix)-Signature must have a signature \(list)")
        }
        return signature
    }

    /// Twilio names the algorithm in another header, in a list such as `key=…,algorithm=HMAC_SHA256` (twilio-python,
    /// `get_signature_algorithm`).
    private func twilio() throws(PresentedSignature.Fault) -> PresentedSignature {
        var signature = try prefixed()
        let header = "X-Twilio-Webhooks-Signature-Settings"
        let settings = fields.values(of: header).first.map { String(decoding: $0, as: UTF8.self) } ?? ""
        let names = settings.split(separator: ",").compactMap { item -> String? in
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { $0.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed() }
                .map { String($0) }
            return parts.count == 2 && parts[0] == "algorithm" && !parts[1].isEmpty ? parts[1] : nil
        }
        switch names.first?.uppercased() {
        case nil, "HMAC_SHA1": break
        case "HMAC_SHA256": signature.algorithm = .sha256
        default:
            throw .init(
                cause: .algorithm,
                reason: "The header \(header) must name the algorithm HMAC_SHA1 or HMAC_SHA256, if any.")
        }
        return signature
    }

    private func stripe() throws(PresentedSignature.Fault) -> PresentedSignature {
        let text = try value(of: scheme.header)
        var signature = PresentedSignature(texts: [], shown: text)
        var (hasTime, hasBlank) = (false, false)
        for item in text.split(separator: ",") {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            // Stripe's libraries do not skip blanks, and take the first time.
            if parts[0] == "t", !hasTime { (signature.timestamp, hasTime) = (String(parts[1]), true) }
            if parts[0] == "v1" { signature.texts.append(String(parts[1])) }
            if parts[0].first == " " { hasBlank = true }
        }
        if hasBlank, !hasTime || signature.texts.isEmpty {
            throw malformed("\(scheme.header) must have no blank after a comma")
        }
        guard hasTime else { throw malformed("\(scheme.header) must have the time, t=…") }
        guard !signature.texts.isEmpty else { throw malformed("\(scheme.header) must have a signature v1=…") }
        return signature
    }

    private func value(of name: String) throws(PresentedSignature.Fault) -> String {
        guard let bytes = fields.values(of: name).first else {
            throw .init(cause: .missingHeader, reason: "The header \(name) is missing\(hint).")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw malformed("\(name) must be text") }
        guard !text.isEmpty else { throw malformed("\(name) is empty") }
        return text
    }

    private func malformed(_ reason: String) -> PresentedSignature.Fault {
        .init(cause: .malformedHeader, reason: "The header \(reason).")
    }

    /// The header of another signature that is there instead.
    private var hint: String {
        if scheme.preset == .github, !fields.values(of: "X-Hub-Signature").isEmpty {
            return "; there is only X-Hub-Signature, which is made with SHA-1"
        }
        for other in VerificationPreset.allCases where other != scheme.preset {
            guard let header = other.header, !fields.values(of: header).isEmpty else { continue }
            return "; there is \(header), as of the preset \(other.rawValue)"
        }
        return ""
    }
}
