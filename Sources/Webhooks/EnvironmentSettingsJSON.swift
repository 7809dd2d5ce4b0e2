internal import Delivery
internal import Gateway
internal import JSON

/// An environment's settings: the keys that its deliveries are verified with.
func environmentSettingsJSON(_ rotation: KeyRotation, _ settings: WebhookSettings) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.name("public_verification_key")
    json.beginObject()
    rotation.current.writeMembers(to: &json, settings)
    for (name, key) in [("next", rotation.next), ("previous", rotation.previous)] {
        json.name(name)
        guard let key else {
            json.null()
            continue
        }
        json.beginObject()
        key.writeMembers(to: &json, settings)
        json.endObject()
    }
    json.endObject()
    json.endObject()
    return json.bytes
}

extension Keyring.Key {
    fileprivate func writeMembers(to json: inout JSONWriter, _ settings: WebhookSettings) {
        json.member("algorithm", algorithm)
        json.member("encoding", "spki-pem")
        json.member("key", publicKey)
        json.member("key_id", id)
        json.name("jwk")
        if let members = PublicKey(pem: publicKey)?.jwk {
            json.beginObject()
            for (name, value) in members + [("kid", id)] {
                json.name(name)
                json.string(value)
            }
            json.endObject()
        } else {
            json.null()
        }
        json.member("signature_header", settings.signatureHeader)
        json.member("signature_timestamp_header", settings.signatureTimestampHeader)
        json.member("signed_content", "{timestamp}.{body}")
        json.member("created_at", created)
        json.member("signs_from", signsFrom)
    }
}
