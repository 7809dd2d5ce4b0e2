internal import Delivery
internal import HTTP
internal import JSON
internal import JSONPath
internal import Values

extension Subscription {
    /// Writes the thirteen members in the order that clients have always seen, and the newer members that differ from their
    /// defaults.
    func write(to json: inout JSONWriter, _ sealing: Sealing) {
        json.object { json in
            json.member("uuid", id.description)
            json.member("name", name)
            json.member("jsonpath", expression)
            json.member("user", user)
            json.member("disabled", orNull: destination.disabledAt?.naive)
            json.member("error", orNull: destination.disabledReason)
            json.member("target_url", shownTarget(sealing))
            json.member("version", version)
            json.member("extensions", text: extensions)
            json.member("auth", text: shownAuth(sealing))
            json.member("created", created.naive)
            json.member("updated", updated.naive)
            json.name("deleted")
            json.null()
            if let dialect { json.member("dialect", dialect.rawValue) }
            if format != .json { json.member("format", format.word) }
            if destination.consent != nil { json.member("handshake", true) }
            if let missed {
                json.member("missed") { json in
                    json.member("count", missed.count)
                    json.member("since", missed.since.naive)
                }
            }
        }
    }

    private func shownTarget(_ sealing: Sealing) -> String {
        guard let sealedTarget else { return target }
        return sealing.open(sealedTarget, .target).map { String(decoding: $0, as: UTF8.self) } ?? destination.url
    }

    private func shownAuth(_ sealing: Sealing) -> [UInt8] {
        sealedAuth.flatMap { sealing.open($0, .auth) } ?? Self.noExtensions
    }
}
