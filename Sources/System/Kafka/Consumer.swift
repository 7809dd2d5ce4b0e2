internal import CKafka
internal import Linux

/// A member of a group that reads topics (librdkafka, rdkafka.h).
///
/// For one thread. Only `close`, and `poll` where it is told to, wait; connections are made, lost and made again in threads of
/// librdkafka's. Offsets are committed by `commit` alone, so that what was not done comes again: to another member of the
/// group, or to the next one.
@safe package final class Consumer {
    package enum Event: Equatable, Sendable {
        case message(Message)
        /// Something did not work. librdkafka goes on by itself.
        case failure(KafkaError)
        /// No broker can be reached.
        case unreachable(reason: String)
        /// After `unreachable`: one can.
        case reachable
        /// A topic that was missing is there.
        case created(topic: String)
    }

    private let client: OpaquePointer
    private let news: News
    private var missing: MissingTopics?
    /// Whether the group was to be left and the time was up; then rd_kafka_destroy waits for what the broker owes, and the
    /// client is left to the process's end instead.
    private var isLeaving = false

    /// - Parameters:
    ///   - brokers: `host:port`, with commas between; any of a cluster's will do.
    ///   - fetchBytes: how much is asked for at a time; a longer message comes all the same.
    ///   - fetchMilliseconds: how long a broker may hold back an answer that would be empty.
    ///   - replicationFactor: of topics that are made because they are missing; `nil`: none is made.
    ///   - properties: others of librdkafka's (CONFIGURATION.md).
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
            // What is fetched ahead for each partition.
            ("queued.min.messages", 1000), ("queued.max.messages.kbytes", max(1024, fetchBytes >> 10)),
            // What a killed member had is read on after so long.
            ("session.timeout.ms", 10_000), ("heartbeat.interval.ms", 3000),
            // How soon a new topic is seen, and a broker that is back.
            ("topic.metadata.refresh.interval.ms", 10_000), ("reconnect.backoff.max.ms", 5000),
            ("statistics.interval.ms", 1000),
        ] { try configuration.set(name, value) }
        for (name, value) in properties { try configuration.set(name, value) }
        news = News()
        configuration.report(to: news)
        unsafe client = try configuration.makeConsumer()
        // What comes besides messages is served by the same poll.
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
        // Leaving the group is what `close` is for, as it may wait.
        unsafe rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
    }

    /// RD_KAFKA_PARTITION_UA.
    private static let anyPartition: Int32 = -1

    /// The next message, or news; `nil` where there is none within the time.
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

    /// Has the group go on from here. It is sent without waiting; that it could not be done comes as a `failure`.
    package func commit(_ offsets: [Offset]) throws(KafkaError) {
        let list = unsafe rd_kafka_topic_partition_list_new(Int32(offsets.count))
        defer { unsafe rd_kafka_topic_partition_list_destroy(list) }
        for offset in offsets {
            unsafe rd_kafka_topic_partition_list_add(list, offset.topic, offset.partition).pointee.offset = offset.next
        }
        unsafe try check(rd_kafka_commit(client, list, 1), "rd_kafka_commit")
    }

    /// Leaves the group once what was committed is with the broker, or the time is up; without it, the others of the group
    /// wait until they miss it. No poll may follow.
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
