internal import Webhooks

/// Where events come in from besides the API.
struct KafkaSettings: Equatable {
    /// `host:port` each; none: Kafka is not used.
    var brokers: [String] = []
    var topicPrefix = ""
    /// Of topics that are made because they are missing.
    var replicationFactor = 1
    /// How much is asked for at a time.
    var fetchBytes = 1 << 20
    /// How often to ask.
    var fetchSeconds = 0.25
    var security = KafkaSecurity()

    var group: String { topicPrefix + "notification-management" }

    /// One for each kind of event, and one for all.
    var topics: [String] { EventType.all.map { topicPrefix + $0.name } + [topicPrefix + "events"] }

    /// What a topic is for; `nil`: any kind of event.
    func eventType(ofTopic topic: String) -> EventType? { EventType.named(String(topic.dropFirst(topicPrefix.count))) }

    /// A name, an IPv4 address or an IPv6 address in brackets, and a port if one is given.
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

    /// Kafka lets a topic be named with what is plain. As the longest of a topic's 249 characters are the event's, and an event's id has the topic in it.
    static func isTopicPrefix(_ text: String) -> Bool { text.utf8.count <= 180 && SettingText.isPlain(text) }
}
