internal import Cryptography
internal import Delivery
internal import Encodings
internal import HTTP
internal import StandardWebhooks
internal import Values

/// The names of the headers that describe a call, and the values that identify its sender.
package struct CallHeaders: Equatable, Sendable {
    package var signature = "X-3dverse-Signature"
    package var timestamp = "X-3dverse-Signature-Timestamp"
    package var event = "X-3dverse-Event"
    package var delivery = "X-3dverse-Delivery"
    package var attempt = "X-3dverse-Attempt"
    package var userAgent = "Postroom"
    /// The host name that identifies this sender when it asks for a receiver's consent (`WebHook-Request-Origin`).
    package var origin = "localhost"

    package init() {}
}

/// Writes the call of an attempt: headers, signatures and body.
struct CallWriter {
    private let sealing: Sealing
    private let names: CallHeaders
    private let shaping: any PayloadShaping
    /// Opened signing keys, by id.
    private var keys: [String: SigningKey] = [:]
    /// How long the previous key still signs beside its successor.
    private let overlapSeconds: Double

    /// Why a call cannot be written. Another attempt would not help. The text is for the delivery's log.
    struct Fault: Error { let reason: String }

    init(
        sealing: Sealing, names: CallHeaders, shaping: any PayloadShaping, overlapSeconds: Double
    ) {
        self.shaping = shaping
        self.sealing = sealing
        self.names = names
        self.overlapSeconds = overlapSeconds
    }

    /// A call that is ready to be made.
    struct Call {
        let sent: [HeaderField]
        /// The headers as the log shows them: the values of custom headers are hidden.
        let shown: [HeaderField]
        let body: [UInt8]
    }

    mutating func call(_ start: DeliveryStep.Start, _ payload: Payload, at now: Timestamp) throws(Fault) -> Call {
        let shaped = try shaped(payload, start.destination)
        let (sent, shown) = try headers(start, payload, shaped, at: now)
        return Call(sent: sent, shown: shown, body: shaped.body)
    }

    private func shaped(_ payload: Payload, _ destination: Destination) throws(Fault) -> ShapedPayload {
        guard let shape = destination.shape else {
            let type = HeaderField(name: "Content-Type", value: destination.contentType)
            return ShapedPayload(headers: [type], body: payload.body)
        }
        do throws(ShapingFault) {
            return try shaping.shape(payload, as: shape)
        } catch {
            throw Fault(reason: error.reason)
        }
    }

    private mutating func headers(
        _ start: DeliveryStep.Start, _ payload: Payload, _ shaped: ShapedPayload, at now: Timestamp
    ) throws(Fault) -> (sent: [HeaderField], shown: [HeaderField]) {
        let (delivery, destination) = (start.delivery, start.destination)
        let seconds = now.microseconds / 1_000_000
        guard let call = WebhookCall(id: Self.callID(payload), seconds: seconds, body: shaped.body) else {
            throw Fault(reason: "the event's id cannot be sent in a header")
        }
        var fields = shaped.headers + [HeaderField(name: "User-Agent", value: names.userAgent)]
        switch destination.protocolKind {
        case .webhook:
            fields += [
                HeaderField(name: names.event, value: payload.event),
                HeaderField(name: names.delivery, value: delivery.id.description),
                HeaderField(name: names.attempt, value: String(delivery.attempts + 1)),
            ]
        case .event:
            if destination.consent != nil {
                fields.append(HeaderField(name: "WebHook-Request-Origin", value: names.origin))
            }
        }
        fields += [
            HeaderField(name: "webhook-id", value: call.id),
            HeaderField(name: "webhook-timestamp", value: call.timestamp),
        ]
        fields += try signatures(call, start, at: now)
        guard let sealed = destination.sealedHeaders else { return (fields, fields) }
        guard let custom = sealing.open(sealed, .headers).flatMap({ HeaderField.fields(lines: $0) }) else {
            throw Fault(reason: "the custom headers cannot be decrypted: they were encrypted with another secret")
        }
        // Custom headers may replace these two. Neither may be sent twice (RFC 9110, section 5.3).
        let chosen = Set(custom.map { $0.name.lowercased() }).intersection(["content-type", "user-agent"])
        fields.removeAll { chosen.contains($0.name.lowercased()) }
        return (fields + custom, fields + custom.map { HeaderField(name: $0.name, value: "***") })
    }

    /// The id by which receivers recognize an event (`webhook-id`). If the event's own id is empty, or has a dot or anything
    /// but visible ASCII, which are not allowed here, a digest of it is used.
    private static func callID(_ payload: Payload) -> String {
        let isPlain = payload.eventID.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ".") }
        if isPlain, !payload.eventID.isEmpty { return payload.eventID }
        return "evt_" + hexadecimal(DigestAlgorithm.sha256.digest(of: Array(payload.eventID.utf8)).prefix(16))
    }

    private mutating func signatures(
        _ call: WebhookCall, _ start: DeliveryStep.Start, at now: Timestamp
    ) throws(Fault) -> [HeaderField] {
        var fields: [HeaderField] = []
        var secrets: [WebhookSecret] = []
        if let sealed = start.destination.sealedSecret {
            guard let secret = sealing.open(sealed, .secret).flatMap({ WebhookSecret(bytes: $0) }) else {
                throw Fault(reason: "the webhook's secret cannot be decrypted: it was encrypted with another secret")
            }
            secrets.append(secret)
        }
        var pairs: [WebhookKeyPair] = []
        if let rotation = try rotation(start, at: now) {
            let current = try key(rotation.current)
            guard let signature = call.bodySignature(by: current) else {
                throw Fault(reason: "the call cannot be signed")
            }
            fields.append(HeaderField(name: names.signature, value: signature))
            fields.append(HeaderField(name: names.timestamp, value: call.timestamp))
            for shown in [rotation.current, rotation.previous].compactMap({ $0 }) {
                if let pair = WebhookKeyPair(try key(shown)) { pairs.append(pair) }
            }
        }
        if let signatures = call.signatures(secrets: secrets, keyPairs: pairs) {
            fields.append(HeaderField(name: "webhook-signature", value: signatures))
        }
        return fields
    }

    /// The keys that sign a call; `nil` if there are none.
    private func rotation(_ start: DeliveryStep.Start, at now: Timestamp) throws(Fault) -> KeyRotation? {
        switch start.keys {
        case .none: return nil
        case .keyring(let keyring): return KeyRotation(keyring, at: now, overlapSeconds: overlapSeconds)
        case .damaged: throw Fault(reason: "the signing keys are damaged")
        }
    }

    private mutating func key(_ key: Keyring.Key) throws(Fault) -> SigningKey {
        if let known = keys[key.id] { return known }
        guard let opened = sealing.open(key.sealedPrivateKey, .privateKey),
            let signing = SigningKey(privateKey: opened)
        else { throw Fault(reason: "the signing key cannot be decrypted: it was encrypted with another secret") }
        if keys.count >= 4096 { keys.removeAll() }
        keys[key.id] = signing
        return signing
    }
}
