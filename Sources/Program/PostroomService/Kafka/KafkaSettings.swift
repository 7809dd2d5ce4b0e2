internal import Webhooks

/// The settings of Kafka, from which events come in besides the API.
package struct KafkaSettings: Equatable {
    /// `host` or `host:port` each; empty: Kafka is not used.
    package var brokers: [String] = []
    var topicPrefix = ""
    /// The replication factor of topics that are made because they are missing.
    var replicationFactor = 1
    /// How many bytes are fetched at a time.
    var fetchBytes = 1 << 20
    /// How long to wait between two fetches.
    var fetchSeconds = 0.25
    var security = KafkaSecurity()

    /// The longest event that is taken: as long as messages in Kafka may be by default, unless more is fetched at a time. The
    /// worker parses an event as a whole, and each delivery of it has its bytes.
    /// - Parameter bodyLimit: `MAX_BODY_BYTES`.
    package func eventLimit(bodyLimit: Int) -> Int { min(bodyLimit, max(1 << 20, fetchBytes)) }

    var group: String { topicPrefix + "notification-management" }

    /// A topic for each kind of event, and one for all kinds.
    var topics: [String] { EventType.all.map { topicPrefix + $0.name } + [topicPrefix + "events"] }

    /// The kind of event that a topic is for; `nil`: any kind.
    func eventType(ofTopic topic: String) -> EventType? { EventType.named(String(topic.dropFirst(topicPrefix.count))) }

    /// Whether a text is a name, an IPv4 address or an IPv6 address in brackets, with an optional port.
    static func isBroker(_ text: String) -> Bool {
        guard !text.contains("]:") || text.hasPrefix("[") else { return false }
        var host = Substring(text)
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return false }
            host = text[..<colon]
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            return host.count > 4 && host.dropFirst().dropLast().allSatisfy { $0.isHexDigit || $0 == ":" || $0 == "." }
        }
        return !host.isEmpty && SettingText.isPlain(host)
    }

    /// Whether topics may have this prefix: Kafka allows letters, digits and `-._` in their names. The length is bounded
    /// because a name has at most 249 characters, the kind of event included, and because event ids contain the topic.
    static func isTopicPrefix(_ text: String) -> Bool { text.utf8.count <= 180 && SettingText.isPlain(text) }
}
