internal import Cryptography
internal import Encodings
internal import HTTP
package import JSON
package import Values

/// The check of the signatures of an endpoint's requests.
package struct Verification: Sendable {
    /// Whether requests whose signature is not right are refused.
    package let rejects: Bool
    package var preset: VerificationPreset { scheme.preset }
    /// As the client sent it, with masks instead of secrets.
    package let json: JSON
    let scheme: VerificationScheme

    /// The place of the secret.
    static let key = "verify"

    var secrets: SettingSecrets {
        var secrets = SettingSecrets()
        if scheme.hasSecret { secrets[Self.key] = scheme.secret }
        return secrets
    }

    /// - Parameters:
    ///   - now: the time of day when the request arrived.
    ///   - origins: schemes and hosts under which senders may know this service, such as that of `SERVER_URL`.
    package func verdict(on request: ReceivedRequest, now: Timestamp, origins: [String] = []) -> Verdict {
        let signature: PresentedSignature
        do throws(PresentedSignature.Fault) {
            signature = try SignatureReader(fields: request.fields, scheme: scheme).read()
        } catch {
            return verdict(error.cause, error.reason)
        }
        if preset == .gitlab { return tokenVerdict(signature) }
        var scheme = scheme
        scheme.algorithm = signature.algorithm ?? scheme.algorithm
        let bases = bases(of: signature, request)
        let base = bases[0]
        // A body may be long, so its HMAC is computed once.
        let expected = scheme.hasSecret ? scheme.signature(of: base) : nil
        let isRight =
            self.isRight(signature, base: base, expected: expected)
            || bases.dropFirst().contains { base in
                self.isRight(signature, base: base, expected: scheme.signature(of: base))
            }
        func result(_ cause: Verdict.Cause?, _ reason: String?) -> Verdict {
            verdict(
                cause, reason, base: base, expected: expected.map { scheme.shownPrefix + $0 }, received: signature.shown
            )
        }
        guard isRight else {
            var diagnosis = Diagnosis(scheme, signature, request, origins: origins)
            let finding = diagnosis.finding()
            return result(finding.cause, finding.reason)
        }
        if let reason = timeFault(signature.timestamp, now) { return result(.timestamp, reason) }
        if preset == .twilio, !TwilioFields.hasRightHash(request) {
            return result(.body, "The URL is signed, but its bodySHA256 is not the hash of the body.")
        }
        return result(nil, nil)
    }

    private func verdict(
        _ cause: Verdict.Cause?, _ reason: String?, base: [UInt8] = [], expected: String? = nil, received: String? = nil
    ) -> Verdict {
        Verdict(
            isValid: cause == nil, preset: preset, cause: cause, reason: reason,
            base: Array(base.prefix(Verdict.baseBytes)), baseByteCount: base.count, expected: expected,
            received: received.map { String(decoding: $0.utf8.prefix(Verdict.receivedBytes), as: UTF8.self) })
    }

    /// What may be signed; the first one is shown.
    private func bases(of signature: PresentedSignature, _ request: ReceivedRequest) -> [[UInt8]] {
        let base = scheme.base(of: signature, request, body: request.body, url: request.url)
        guard preset == .twilio, let urls = URLVariations(request.url)?.withAndWithoutPort else { return [base] }
        return [base] + urls.map { scheme.base(of: signature, request, body: request.body, url: $0) }
    }

    /// - Parameter expected: the HMAC of the base; `nil` if there is no secret.
    private func isRight(_ signature: PresentedSignature, base: [UInt8], expected: String?) -> Bool {
        if let expected {
            let text = Array(expected.utf8)
            if signature.texts.contains(where: { isEqualInConstantTime(Array($0.utf8), text) }) { return true }
        }
        guard let key = scheme.publicKey else { return false }
        let texts = preset == .threeDVerse ? signature.texts : signature.publicKeyTexts
        return texts.contains { text in
            Base64.standard.decode(text.utf8).map { key.isValid($0, for: base) } ?? false
        }
    }

    private func tokenVerdict(_ signature: PresentedSignature) -> Verdict {
        let (sent, secret) = (Array(signature.texts[0].utf8), Array(scheme.secret.utf8))
        if isEqualInConstantTime(sent, secret) { return verdict(nil, nil) }
        func trimmed(_ text: [UInt8]) -> [UInt8] { text[...].withoutOuterBlanks.filter { $0 != 0x0a && $0 != 0x0d } }
        if isEqualInConstantTime(trimmed(sent), trimmed(secret)) {
            return verdict(.secret, "The token and the secret that is set here differ only in blanks or newlines.")
        }
        if isEqualInConstantTime(sent, Array(Base64.standard.encode(secret).utf8)) {
            return verdict(.secret, "The token is the Base64 of the secret that is set here.")
        }
        if VerificationScheme.base64(scheme.secret).map({ isEqualInConstantTime(sent, $0) }) == true {
            return verdict(.secret, "The secret that is set here is the Base64 of the token.")
        }
        return verdict(.unknown, "The token is not the secret that is set here.")
    }

    private func timeFault(_ text: String, _ now: Timestamp) -> String? {
        guard preset.hasTime else { return nil }
        guard !text.isEmpty, text.utf8.count <= 20, text.utf8.allSatisfy({ (48...57).contains($0) }),
            let seconds = Int64(text)
        else { return "The signature is right, but its time is not a number of seconds since 1970." }
        guard scheme.toleranceSeconds > 0 else { return nil }
        let distance = now.microseconds / 1_000_000 - seconds
        // Stripe's libraries look for old signatures only.
        if preset == .stripe, distance < 0 { return nil }
        guard distance.magnitude > UInt64(scheme.toleranceSeconds) else { return nil }
        if (distance + seconds - seconds / 1000).magnitude <= 86_400, seconds > 100_000_000_000 {
            return "The signature is right, but its time is in milliseconds; seconds since 1970 are expected."
        }
        let direction = distance > 0 ? "past" : "future"
        let tolerance = UInt64(scheme.toleranceSeconds)
        var (off, allowed) = (Self.duration(distance.magnitude), Self.duration(tolerance))
        if off == allowed { (off, allowed) = ("\(distance.magnitude) seconds", "\(tolerance) seconds") }
        return "The signature is right, but its time is \(off) in the \(direction); \(allowed) are allowed."
    }

    private static func duration(_ seconds: UInt64) -> String {
        switch seconds {
        case ..<120: "\(seconds) seconds"
        case ..<7200: "\(seconds / 60) minutes"
        case ..<172_800: "\(seconds / 3600) hours"
        default: "\(seconds / 86_400) days"
        }
    }
}
