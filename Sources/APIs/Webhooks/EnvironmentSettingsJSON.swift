internal import Cryptography
internal import Delivery
internal import HTTP
internal import JSON
internal import Values

/// The settings of an environment: the keys with which receivers verify its deliveries.
func environmentSettingsJSON(_ rotation: KeyRotation, _ settings: WebhookSettings) -> [UInt8] {
    objectJSON { json in
        json.member("public_verification_key") { json in
            rotation.current.writeMembers(to: &json, settings)
            for (name, key) in [("next", rotation.next), ("previous", rotation.previous)] {
                json.name(name)
                guard let key else {
                    json.null()
                    continue
                }
                json.object { json in key.writeMembers(to: &json, settings) }
            }
        }
    }
}

extension Keyring.Key {
    fileprivate func writeMembers(to json: inout JSONWriter, _ settings: WebhookSettings) {
        json.member("algorithm", algorithm)
        json.member("encoding", "spki-pem")
        json.member("key", publicKey)
        json.member("key_id", id)
        json.name("jwk")
        if let members = PublicKey(pem: publicKey)?.jwk {
            json.object { json in
                for (name, value) in members + [("kid", id)] { json.member(name, value) }
            }
        } else {
            json.null()
        }
        json.member("signature_header", settings.signatureHeader)
        json.member("signature_timestamp_header", settings.signatureTimestampHeader)
        json.member("signed_content", "{timestamp}.{body}")
        json.member("created_at", created.rfc3339)
        json.member("signs_from", signsFrom.rfc3339)
    }
}
