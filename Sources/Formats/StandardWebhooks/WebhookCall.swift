package import Cryptography
internal import Encodings

/// One call of a webhook: the parts that signatures cover. Each attempt is a separate call, with its own time.
package struct WebhookCall: Sendable {
    /// The same for all attempts, so that a receiver can recognize repetitions (`webhook-id`).
    package let id: String
    /// When this attempt is made, since 1970.
    package let seconds: Int64
    /// The bytes that `v1` and `v1a` sign: id, time and body, joined by points (Standard Webhooks 1.0.0).
    package let signedContent: [UInt8]

    /// - Returns: `nil` for an id that is empty, that a field cannot carry (RFC 9110, section 5.5), or that has a point,
    ///   with which other ids and times could have the same signature.
    package init?(id: String, seconds: Int64, body: [UInt8]) {
        guard !id.isEmpty, id.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ".") }) else {
            return nil
        }
        self.id = id
        self.seconds = seconds
        signedContent = Array("\(id).\(seconds).".utf8) + body
    }

    /// The value of `webhook-timestamp` and of similar headers.
    package var timestamp: String { String(seconds) }

    /// The value of `webhook-signature`: a token for each key, separated by spaces. A receiver accepts the call if one
    /// of them is right; while keys are being replaced, both the new and the old ones sign.
    ///
    /// Tokens of `v1` come first, as not every receiver expects others.
    /// - Returns: `nil` if there is no key, or if a key cannot sign.
    package func signatures(secrets: [WebhookSecret], keyPairs: [WebhookKeyPair]) -> String? {
        var tokens = secrets.map(token)
        for pair in keyPairs {
            guard let token = token(pair) else { return nil }
            tokens.append(token)
        }
        return tokens.isEmpty ? nil : tokens.joined(separator: " ")
    }

    /// HMAC with SHA-256.
    func token(_ secret: WebhookSecret) -> String {
        "v1," + Base64.standard.encode(DigestAlgorithm.sha256.authenticationCode(of: signedContent, key: secret.bytes))
    }

    /// Ed25519.
    func token(_ pair: WebhookKeyPair) -> String? {
        pair.key.sign(signedContent).map { "v1a," + Base64.standard.encode($0) }
    }

    /// The base64 of a signature over time and body, joined by a point: the value of `X-3dverse-Signature`. `timestamp`
    /// is the value of `X-3dverse-Signature-Timestamp`.
    /// - Returns: `nil` if the key cannot sign.
    package func bodySignature(by key: SigningKey) -> String? {
        key.sign(Array(signedContent.dropFirst(id.utf8.count + 1))).map { Base64.standard.encode($0) }
    }
}
