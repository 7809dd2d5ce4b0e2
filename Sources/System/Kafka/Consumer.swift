internal import CKafka
internal import Linux

/// A member of a group that reads topics (librdkafka, rdkafka.h).
///
/// For use by one thread. Only `close`, and `poll` with a time, wait; connections are made, lost and made again in
/// librdkafka's threads. Offsets are committed only by `commit`, so messages that were not processed come again: to
/// another member of the group, or to the next consumer.
@safe package final class Consumer {
    package enum Event: Equatable, Sendable {
        case message(Message)
        /// An error has occurred. librdkafka goes on by itself.
        case failure(KafkaError)
        /// No broker can be reached.
        case unreachable(reason: String)
        /// After `unreachable`: a broker can be reached again.
        case reachable
        /// A topic that was missing has been created.
        case created(topic: String)
    }

    private let client: OpaquePointer
    private let news: News
    private var missing: MissingTopics?
    /// Whether the time was up in `close` before the group was left. rd_kafka_destroy would then wait for the broker, so
    /// the client is not destroyed, and ends with the process.
    private var isLeaving = false

    /// - Parameters:
    ///   - brokers: `host:port`, separated by commas; any brokers of the cluster are enough.
    ///   - fetchBytes: how many bytes are fetched at a time; a longer message is fetched nevertheless.
    ///   - fetchMilliseconds: how long a broker may delay a response that would be empty.
    ///   - replicationFactor: the replication factor of missing topics, which are then created; with `nil` none is
    ///     created.
    ///   - properties: further properties of librdkafka (CONFIGURATION.md).
    package init(
        brokers: String, group: String, topics: [String], fetchBytes: Int = 1 << 20, fetchMilliseconds: Int = 250,
        replicationFactor: Int? = nil, properties: [(name: String, value: String)] = []
    ) throws(KafkaError) {
        let configuration = Configuration()
        for (name, value) in [
            ("bootstrap.servers", brokers), ("group.id", group), ("client.id", "postroom"),
            ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"), ("allow.auto.create.topics", "false"),
        ] { try configuration.set(name, value) }
        for (name, value) in [
            ("fetch.wait.max.ms", fetchMilliseconds), ("fetch.max.bytes", fetchBytes),
            ("max.partition.fetch.bytes", fetchBytes), ("receive.message.max.bytes", max(100_000_000, 2 * fetchBytes)),
            // How much is fetched ahead for each partition.
            ("queued.min.messages", 1000), ("queued.max.messages.kbytes", max(1024, fetchBytes >> 10)),
            // How long it takes until other members read the partitions of a killed one.
            ("session.timeout.ms", 10_000), ("heartbeat.interval.ms", 3000),
            // How soon a new topic, or a broker that is back, is noticed.
            ("topic.metadata.refresh.interval.ms", 10_000), ("reconnect.backoff.max.ms", 5000),
            ("statistics.interval.ms", 1000),
        ] { try configuration.set(name, value) }
        for (name, value) in properties { try configuration.set(name, value) }
        news = News()
        configuration.report(to: news)
        unsafe client = try configuration.makeConsumer()
        // Events other than messages are served by the same poll.
        unsafe try check(rd_kafka_poll_set_consumer(client), "rd_kafka_poll_set_consumer")
        if let replicationFactor {
            missing = unsafe MissingTopics(client, replicationFactor: replicationFactor)
        }
        let list = unsafe rd_kafka_topic_partition_list_new(Int32(topics.count))
        defer { unsafe rd_kafka_topic_partition_list_destroy(list) }
        for topic in topics { unsafe rd_kafka_topic_partition_list_add(list, topic, Self.anyPartition) }
        unsafe try check(rd_kafka_subscribe(client, list), "rd_kafka_subscribe")
    }

    deinit {
        missing = nil
        if isLeaving { return }
        // `close` leaves the group, as that may wait; here the client does not.
        unsafe rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
    }

    /// RD_KAFKA_PARTITION_UA.
    private static let anyPartition: Int32 = -1

    /// The next message or other event; `nil` if there is none within the time.
    package func poll(milliseconds: Int) -> Event? {
        missing?.work(news.add)
        if let event = news.next() { return event }
        var milliseconds = Int32(clamping: milliseconds)
        while let message = unsafe rd_kafka_consumer_poll(client, milliseconds) {
            defer { unsafe rd_kafka_message_destroy(message) }
            let code = unsafe message.pointee.err
            if code == RD_KAFKA_RESP_ERR_NO_ERROR { return unsafe .message(Message(copying: message)) }
            let topic = unsafe topicName(message.pointee.rkt)
            if code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, let topic, let missing {
                missing.add(topic)
            } else {
                let reason = unsafe rd_kafka_message_errstr(message).map { unsafe String(cString: $0) }
                news.add(.failure(KafkaError(code, "rd_kafka_consumer_poll", reason: reason)))
            }
            milliseconds = 0
        }
        return news.next()
    }

    /// Commits the offsets from which the group continues. They are sent without waiting; an error comes as a `failure`
    /// event.
    package func commit(_ offsets: [Offset]) throws(KafkaError) {
        let list = unsafe rd_kafka_topic_partition_list_new(Int32(offsets.count))
        defer { unsafe rd_kafka_topic_partition_list_destroy(list) }
        for offset in offsets {
            unsafe rd_kafka_topic_partition_list_add(list, offset.topic, offset.partition).pointee.offset = offset.next
        }
        unsafe try check(rd_kafka_commit(client, list, 1), "rd_kafka_commit")
    }

    /// Leaves the group. Waits until the broker has the committed offsets, or the time is up. Without this, the other
    /// members wait until the session of this one has expired. `poll` may not be called afterwards.
    package func close(milliseconds: Int) {
        let queue = unsafe rd_kafka_queue_new(client)
        defer { unsafe rd_kafka_queue_destroy(queue) }
        let end = SystemClock.bootTimeMicroseconds() + Int64(milliseconds) * 1000
        if let failure = unsafe rd_kafka_consumer_close_queue(client, queue) {
            return unsafe rd_kafka_error_destroy(failure)
        }
        while true {
            isLeaving = unsafe rd_kafka_consumer_closed(client) == 0
            guard isLeaving, SystemClock.bootTimeMicroseconds() < end else { return }
            if let event = unsafe rd_kafka_queue_poll(queue, 10) { unsafe rd_kafka_event_destroy(event) }
        }
    }
}
