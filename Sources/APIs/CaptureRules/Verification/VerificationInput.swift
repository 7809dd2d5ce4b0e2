internal import Cryptography
internal import Encodings
internal import HTTP
internal import JSON
internal import StandardWebhooks

// Reading of the member `verify` of a configuration.
extension Verification {
    /// - Parameter stored: the endpoint's secrets, for which the mask may stand.
    /// - Returns: `nil` if it is invalid, which is reported.
    init?(_ json: JSON, at place: String = "verify", _ stored: SettingSecrets, _ faults: inout SettingFaults) {
        let names = VerificationPreset.allCases.map(\.rawValue).joined(separator: ", ")
        guard case .object = json else {
            faults.add(place, "must be an object such as {\"preset\": \"github\", \"secret\": \"…\"}")
            return nil
        }
        guard let preset = json["preset"]?.string.flatMap(VerificationPreset.init) else {
            faults.add("\(place).preset", "must be one of \(names)")
            return nil
        }
        let known = preset.members.union(["preset", "reject"])
        guard let object = SettingObject(json, at: place, known: known, &faults) else { return nil }
        let count = faults.faults.count
        var scheme = VerificationScheme(preset)
        scheme.secret = object.secret("secret", at: Self.key, stored, &faults) ?? ""
        scheme.publicKey = Self.publicKey(object, &faults)
        scheme.toleranceSeconds =
            object.wholeNumber("tolerance_seconds", in: 0...86_400, &faults) ?? scheme.toleranceSeconds
        Self.readHeaders(object, &scheme, &faults)
        if let word = object.word("algorithm", of: Placeholder.algorithms.map(\.rawValue), &faults) {
            scheme.algorithm = DigestAlgorithm(rawValue: word) ?? scheme.algorithm
        }
        if let word = object.word("encoding", of: SignatureForm.allCases.map(\.rawValue), &faults) {
            scheme.form = SignatureForm(rawValue: word) ?? scheme.form
        }
        rejects = object.bool("reject", &faults) ?? false
        Self.checkKeys(object, scheme, &faults)
        guard faults.faults.count == count else { return nil }
        self.scheme = scheme
        self.json = json.masking(["secret"])
    }

    private static func checkKeys(_ object: SettingObject, _ scheme: VerificationScheme, _ faults: inout SettingFaults)
    {
        let hasPublicKey = object["public_key"] != nil
        switch scheme.preset {
        case .threeDVerse:
            if !hasPublicKey { faults.add(object.place(of: "public_key"), "is required by the preset 3dverse") }
        case .standardWebhooks:
            if object["secret"] == nil, !hasPublicKey {
                faults.add(object.place(of: "secret"), "is required, or a public_key")
            } else if scheme.hasSecret, scheme.key.isEmpty {
                faults.add(object.place(of: "secret"), "must be Base64, with or without whsec_ before it")
            }
        default:
            if object["secret"] == nil {
                faults.add(object.place(of: "secret"), "is required by the preset \(scheme.preset.rawValue)")
            }
        }
    }

    private static func readHeaders(
        _ object: SettingObject, _ scheme: inout VerificationScheme, _ faults: inout SettingFaults
    ) {
        for name in ["header", "timestamp_header"] {
            guard let text = object.text(name, maximumBytes: RuleLimits.headerNameBytes, &faults) else { continue }
            guard !text.isEmpty, text.utf8.allSatisfy(\.isTokenByte) else {
                faults.add(object.place(of: name), "must be a header name")
                continue
            }
            if name == "header" { scheme.header = text } else { scheme.timestampHeader = text }
        }
        if scheme.header.isEmpty, object["header"] == nil {
            faults.add(object.place(of: "header"), "is required by the preset \(scheme.preset.rawValue)")
        }
        scheme.prefix = object.text("prefix", maximumBytes: 64, &faults) ?? scheme.prefix
    }

    private static func publicKey(_ object: SettingObject, _ faults: inout SettingFaults) -> Ed25519PublicKey? {
        guard let text = object.text("public_key", maximumBytes: 1024, &faults) else { return nil }
        let prefix = WebhookKeyPair.publicPrefix
        let digits = text.hasPrefix(prefix) ? text.dropFirst(prefix.count) : text[...]
        let key =
            Ed25519PublicKey(pem: text) ?? VerificationScheme.base64(digits).flatMap { Ed25519PublicKey(bytes: $0) }
        if key == nil {
            faults.add(
                object.place(of: "public_key"), "must be whpk_…, the Base64 of 32 bytes, or a PEM text of Ed25519")
        }
        return key
    }
}
