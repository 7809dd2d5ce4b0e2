internal import Cryptography
internal import Delivery
internal import HTTP
internal import JSON

/// The URL that confirms a subscription of Amazon SNS when it is called with GET, once.
package struct SNSConfirmation: Hashable, Sendable {
    package let url: String
    /// The same for all URLs that confirm the same subscription: the digest of host, topic and token.
    package let id: [UInt8]
    /// The name of the topic, as the sender says; empty if the URL has none.
    package let topic: String

    package static let maximumBytes = 2048

    /// The members of the query that AWS sends (https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html).
    private static let members: Set<String> = ["Action", "TopicArn", "Token", "Version"]

    /// The URL in a message of the type `SubscriptionConfirmation`; `nil` if it is not a URL of SNS. Anyone can send such a
    /// message, so nothing else may be called: only `https` at `sns.<region>.amazonaws.com` or `….com.cn`, at its usual
    /// port, and there only the action that confirms. Other actions work without a signature too, such as `Unsubscribe`.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maximumBytes, let target = try? TargetURL(text, httpsOnly: true),
            Self.isHost(target.host)
        else { return nil }
        let prefix = "https://\(target.host)/?"
        let query = text.utf8.dropFirst(prefix.utf8.count)
        guard text.hasPrefix(prefix), query.allSatisfy(Self.isQueryByte) else { return nil }
        var values: [String: [UInt8]] = [:]
        for field in URLEncodedForm(Array(query)).fields {
            let name = String(decoding: field.name, as: UTF8.self)
            guard Self.members.contains(name), values.updateValue(field.value, forKey: name) == nil else { return nil }
        }
        guard values["Action"] == Array("ConfirmSubscription".utf8), let token = values["Token"], !token.isEmpty else {
            return nil
        }
        url = text
        topic = String(decoding: values["TopicArn"] ?? [], as: UTF8.self)
        let parts = [Array(target.host.utf8), values["TopicArn"] ?? [], token]
        id = DigestAlgorithm.sha256.digest(of: Array(parts.joined(separator: [0])))
    }

    init?(_ request: ReceivedRequest) {
        guard let url = request.json?["SubscribeURL"]?.string else { return nil }
        self.init(url)
    }

    private static func isHost(_ host: String) -> Bool {
        var labels = host.split(separator: ".", omittingEmptySubsequences: false)
        if labels.count == 5, labels.last == "cn" { labels.removeLast() }
        return labels.count == 4 && labels[0] == "sns" && labels[2] == "amazonaws" && labels[3] == "com"
            && labels[1].utf8.count >= 3
            && labels[1].utf8.allSatisfy { $0 == UInt8(ascii: "-") || isDigit($0) || isLetter($0) }
    }

    /// Bytes that every program reads in the same way in a query.
    private static func isQueryByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || isLetter(byte | 0x20) || "-._~=&%:".utf8.contains(byte)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
}
