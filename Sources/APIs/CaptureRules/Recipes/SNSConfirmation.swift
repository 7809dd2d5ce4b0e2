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
    private let token: String

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
        self.token = String(decoding: token, as: UTF8.self)
        let parts = [Array(target.host.utf8), values["TopicArn"] ?? [], token]
        id = DigestAlgorithm.sha256.digest(of: Array(parts.joined(separator: [0])))
    }

    /// The URL in a message, unless it is about another topic or token than the message.
    init?(_ request: ReceivedRequest) {
        guard let message = request.json, let url = message["SubscribeURL"]?.string else { return nil }
        self.init(url)
        guard (message["Token"]?.string ?? token) == token else { return nil }
        if let named = message["TopicArn"]?.string, !topic.isEmpty, named != topic { return nil }
    }

    private static func isHost(_ host: String) -> Bool {
        var labels = host.split(separator: ".", omittingEmptySubsequences: false)
        if labels.count == 5, labels.last == "cn" { labels.removeLast() }
        return labels.count == 4 && labels[0] == "sns" && labels[2] == "amazonaws" && labels[3] == "com"
            && isRegion(labels[1])
    }

    /// Whether a name is that of a region: two or three letters, words and a number, such as `us-gov-west-1`. Other names before
    /// `amazonaws.com` may belong to anybody: `sns.s3-us-west-2` is a bucket.
    private static func isRegion(_ name: Substring) -> Bool {
        let words = name.split(separator: "-", omittingEmptySubsequences: false)
        return (3...4).contains(words.count) && (2...3).contains(words[0].utf8.count)
            && words.dropLast().allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy(isLetter) }
            && words[words.count - 1].utf8.count == 1 && words[words.count - 1].utf8.allSatisfy(isDigit)
    }

    /// Bytes that every program reads in the same way in a query.
    private static func isQueryByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || isLetter(byte | 0x20) || "-._~=&%:".utf8.contains(byte)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
}
