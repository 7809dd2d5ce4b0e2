internal import Cryptography
internal import Encodings
internal import Values

/// Finds out why a signature is not right, by trying what senders do wrong, one thing at a time and then two together.
struct Diagnosis {
    /// A longer body is tried only as it was sent and with other newlines, not read and written again.
    static let bodyBytes = 32 << 10
    /// The most bytes that are hashed for one diagnosis.
    static let hashedBytes = 2 << 20

    struct Finding: Equatable {
        let cause: Verdict.Cause
        let reason: String
    }

    private let scheme: VerificationScheme
    private let signature: PresentedSignature
    private let request: ReceivedRequest
    private let origins: [String]
    /// The bytes that the signatures may stand for, whatever their form.
    private let codes: [Code]
    private var left = Diagnosis.hashedBytes

    private struct Code {
        let bytes: [UInt8]
        /// Why the bytes are not what the preset would read; `nil` if they are.
        let fault: String?
    }

    init(
        _ scheme: VerificationScheme, _ signature: PresentedSignature, _ request: ReceivedRequest, origins: [String]
    ) {
        self.scheme = scheme
        self.signature = signature
        self.request = request
        self.origins = origins
        codes = (signature.texts + signature.publicKeyTexts).prefix(8).flatMap { Self.codes($0, scheme.form) }
    }

    /// The forms in which a signature can be read.
    private static func codes(_ text: String, _ form: SignatureForm) -> [Code] {
        let plain = text.filter { !$0.isWhitespace }
        let expected = form.name
        var found: [Code] = []
        if let bytes = bytes(hexadecimal: plain) {
            let fault =
                form != .hexadecimal
                ? "the signature is written in hexadecimal digits, not in \(expected)"
                : plain != text
                    ? "the signature has a blank"
                    : plain.lowercased() != plain ? "the signature is written in upper case" : nil
            found.append(Code(bytes: bytes, fault: fault))
        }
        if let bytes = VerificationScheme.base64(plain) {
            let fault =
                form != .base64
                ? "the signature is written in Base64, not in \(expected)"
                : Base64.standard.decode(text.utf8) == nil
                    ? "the Base64 of the signature has no padding, or is in the alphabet for URLs" : nil
            found.append(Code(bytes: bytes, fault: fault))
            // Base64 of the hexadecimal digits.
            if let inner = Encodings.bytes(hexadecimal: String(decoding: bytes, as: UTF8.self)) {
                found.append(Code(bytes: inner, fault: "the signature is the Base64 of the hexadecimal digits"))
            }
        }
        return found
    }

    /// A fault of the signature's text alone, such as a wrong length.
    private var textFault: Finding? {
        guard let text = signature.texts.first ?? signature.publicKeyTexts.first else { return nil }
        let length = codeLength
        guard !codes.contains(where: { $0.bytes.count == length }) else { return nil }
        guard !codes.isEmpty else {
            return Finding(cause: .encoding, reason: "The signature is not \(scheme.form.name).")
        }
        let other = Placeholder.algorithms.first { algorithm in
            algorithm != scheme.algorithm && codes.contains { $0.bytes.count == algorithm.byteCount }
        }
        let hint = other.map { ", which is the length of \($0.title)" } ?? ""
        return Finding(
            cause: other == nil ? .malformedHeader : .algorithm,
            reason: "The signature has \(text.utf8.count) characters\(hint); "
                + "\(scheme.form.text([UInt8](repeating: 0, count: length)).utf8.count) are expected.")
    }

    mutating func finding() -> Finding {
        if isTriable, let found = tries() { return found }
        if let textFault { return textFault }
        let isWhole = !isLong && left > 0
        let rest = isWhole ? "" : " The body is too long to try everything."
        let key = scheme.hasSecret ? "secret" : "key"
        return Finding(
            cause: .unknown,
            reason: "Nothing that was tried gives this signature: the sender probably uses another \(key), "
                + "or the body was changed on its way.\(rest)")
    }

    private var isLong: Bool { request.bodyByteCount > Self.bodyBytes }

    /// Whether what is signed is short enough for one try. A longer text is not put together in vain.
    private var isTriable: Bool { scheme.preset == .twilio || request.bodyByteCount < Self.hashedBytes }

    private mutating func tries() -> Finding? {
        // Of a long body the likeliest comes first, as the bytes that may be hashed are soon used up.
        for body in isLong ? wireBodies : [] { if let found = attempt(body: body) { return found } }
        // The signature as it is read by the preset has been compared already.
        let isMisspelt = codes.contains { $0.fault != nil && $0.bytes.count == codeLength }
        if isMisspelt, let found = attempt() { return found }
        let algorithms = hasHMAC ? Placeholder.algorithms.filter { $0 != scheme.algorithm } : []
        let keys = hasHMAC ? Variation.keys(of: scheme) : []
        for key in keys { if let found = attempt(key: key) { return found } }
        for body in isLong ? longBodies : [] { if let found = attempt(body: body) { return found } }
        for algorithm in algorithms { if let found = attempt(algorithm: algorithm) { return found } }
        for base in bases { if let found = attempt(base: base) { return found } }
        if hasHMAC, let found = attemptDigests() { return found }
        let bodies = isLong || !signsBody ? [] : Variation.bodies(of: request)
        for body in bodies { if let found = attempt(body: body) { return found } }
        return pairs(keys, algorithms, bodies)
    }

    /// Twilio signs fields of the body, not the body itself.
    private var signsBody: Bool { scheme.preset != .twilio }

    private var wireBodies: [Variation<[UInt8]>] { signsBody ? Variation.compressed(request) : [] }

    private var longBodies: [Variation<[UInt8]>] {
        signsBody && left > request.bodyByteCount ? Variation.newlines(of: request.body) : []
    }

    private mutating func pairs(
        _ keys: [Variation<[UInt8]>], _ algorithms: [DigestAlgorithm], _ bodies: [Variation<[UInt8]>]
    ) -> Finding? {
        for key in keys {
            for algorithm in algorithms {
                if let found = attempt(key: key, algorithm: algorithm) { return found }
            }
            for base in bases { if let found = attempt(key: key, base: base) { return found } }
            for body in bodies { if let found = attempt(key: key, body: body) { return found } }
        }
        for body in bodies {
            for algorithm in algorithms {
                if let found = attempt(body: body, algorithm: algorithm) { return found }
            }
        }
        return nil
    }

    /// How many bytes a signature has.
    private var codeLength: Int { hasHMAC && !signature.texts.isEmpty ? scheme.algorithm.byteCount : 64 }

    private var hasHMAC: Bool { scheme.hasSecret && scheme.preset != .threeDVerse }

    /// Other texts that may have been put together.
    private var bases: [Variation<[UInt8]>] {
        var body: [UInt8] { request.body }
        func base(_ bytes: [UInt8], _ reason: String) -> Variation<[UInt8]> {
            Variation(value: bytes, cause: .base, reason: reason)
        }
        switch scheme.preset {
        case .standardWebhooks:
            let time = Array("\(signature.timestamp).".utf8)
            return [
                base(body, "the sender signed the body only, without the id and the time"),
                base(time + body, "the sender signed the time and the body, without the id"),
                base(signature.id + Array(".".utf8) + body, "the sender signed the id and the body, without the time"),
            ]
        case .stripe, .threeDVerse: return [base(body, "the sender signed the body only, without the time")]
        case .slack:
            let time = Array(signature.timestamp.utf8)
            return [
                base(body, "the sender signed the body only, without the version and the time"),
                base(time + Array(":".utf8) + body, "the sender signed the time and the body, without v0:"),
                base(Array("v0.".utf8) + time + Array(".".utf8) + body, "the sender put points instead of colons"),
            ]
        case .twilio:
            let fields = TwilioFields.signed(request)
            var found = (URLVariations(request.url)?.all(origins: origins) ?? []).map { url in
                Variation(value: url.value + fields, cause: url.cause, reason: url.reason)
            }
            found.append(base(request.url, "the sender signed the URL only, without the fields of the form"))
            found.append(base(fields, "the sender signed the fields of the form only, without the URL"))
            if request.bodyByteCount < Self.hashedBytes {
                found.append(base(request.url + body, "the sender signed the body as it is, not its sorted fields"))
            }
            return found
        case .github, .shopify, .hmac, .gitlab: return []
        }
    }

    // MARK: One attempt

    private mutating func attempt(
        key: Variation<[UInt8]>? = nil, body: Variation<[UInt8]>? = nil, base: Variation<[UInt8]>? = nil,
        algorithm: DigestAlgorithm? = nil
    ) -> Finding? {
        guard left > 0 else { return nil }
        let signed =
            base?.value
            ?? scheme.base(of: signature, request, body: body?.value ?? request.body, url: request.url)
        guard spend(signed.count) else { return nil }
        let code: Code? =
            if hasHMAC {
                found((algorithm ?? scheme.algorithm).authenticationCode(of: signed, key: key?.value ?? scheme.key))
            } else {
                nil
            }
        guard let code = code ?? signedByKey(signed) else { return nil }
        var faults: [(Verdict.Cause, String)] = []
        if let key { faults.append((key.cause, key.reason)) }
        if let body { faults.append((body.cause, body.reason)) }
        if let base { faults.append((base.cause, base.reason)) }
        if let algorithm {
            let title = scheme.algorithm.title
            faults.append((.algorithm, "the sender used \(algorithm.title) instead of \(title)"))
        }
        if let fault = code.fault { faults.append((.encoding, fault)) }
        return Self.finding(faults)
    }

    /// Digests of the secret and the text, which are no HMAC.
    private mutating func attemptDigests() -> Finding? {
        let base = scheme.base(of: signature, request, body: request.body, url: request.url)
        for signed in [scheme.key + base, base + scheme.key, base] {
            guard spend(signed.count) else { return nil }
            guard found(scheme.algorithm.digest(of: signed)) != nil else { continue }
            let what = signed.count == base.count ? "without the secret" : "of the secret and the text put together"
            return Finding(
                cause: .algorithm, reason: "The sender made a plain \(scheme.algorithm.title) \(what), not an HMAC.")
        }
        return nil
    }

    private func found(_ code: [UInt8]) -> Code? { codes.first { isEqualInConstantTime($0.bytes, code) } }

    private func signedByKey(_ base: [UInt8]) -> Code? {
        guard let key = scheme.publicKey else { return nil }
        return codes.first { $0.bytes.count == 64 && key.isValid($0.bytes, for: base) }
    }

    /// Whether the bytes may still be hashed. Even a short text takes some time.
    private mutating func spend(_ bytes: Int) -> Bool {
        left -= bytes + 512
        return left > 0
    }

    private static func finding(_ faults: [(cause: Verdict.Cause, reason: String)]) -> Finding? {
        guard let first = faults.first else { return nil }
        let text = faults.map(\.reason).joined(separator: ", and ")
        return Finding(cause: first.cause, reason: text.prefix(1).uppercased() + text.dropFirst() + ".")
    }
}

extension DigestAlgorithm {
    /// The usual spelling.
    var title: String {
        switch self {
        case .sha1: "SHA-1"
        case .sha224: "SHA-224"
        case .sha256: "SHA-256"
        case .sha384: "SHA-384"
        case .sha512: "SHA-512"
        case .blake2b: "BLAKE2b"
        case .blake2s: "BLAKE2s"
        }
    }
}
