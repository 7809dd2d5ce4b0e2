internal import CKafka
internal import Linux

/// Creates the topics that a consumer found missing (KIP-4, CreateTopics).
///
/// They get the broker's default number of partitions, which brokers support from 2.4 on.
@safe final class MissingTopics {
    private let client: OpaquePointer
    private let results: OpaquePointer
    private let replicationFactor: Int
    private var names: Set<String> = []
    private var isAsking = false
    private var asksAt: Int64 = 0

    private static let pauseMicroseconds: Int64 = 30_000_000

    /// - Parameter client: must outlive this.
    init(_ client: OpaquePointer, replicationFactor: Int) {
        unsafe self.client = client
        unsafe results = rd_kafka_queue_new(client)
        self.replicationFactor = replicationFactor
    }

    deinit { unsafe rd_kafka_queue_destroy(results) }

    func add(_ name: String) { names.insert(name) }

    /// Takes the result of the last request, and sends the next one when it is due, without waiting.
    func work(_ tell: (Consumer.Event) -> Void) {
        if isAsking, let event = unsafe rd_kafka_queue_poll(results, 0) {
            isAsking = false
            unsafe take(event, tell)
            unsafe rd_kafka_event_destroy(event)
        }
        guard !isAsking, !names.isEmpty, SystemClock.bootTimeMicroseconds() >= asksAt else { return }
        ask(tell)
    }

    private func ask(_ tell: (Consumer.Event) -> Void) {
        asksAt = SystemClock.bootTimeMicroseconds() + Self.pauseMicroseconds
        var topics: [OpaquePointer?] = unsafe []
        for name in names.sorted() {
            let (topic, reason) = unsafe explained {
                unsafe rd_kafka_NewTopic_new(name, -1, Int32(replicationFactor), $0, $1)
            }
            if let topic = unsafe topic {
                unsafe topics.append(topic)
            } else {
                tell(.failure(KafkaError(RD_KAFKA_RESP_ERR__INVALID_ARG, "rd_kafka_NewTopic_new", reason: reason)))
            }
        }
        guard unsafe !topics.isEmpty else { return }
        unsafe rd_kafka_CreateTopics(client, &topics, topics.count, nil, results)
        // librdkafka works on copies.
        unsafe rd_kafka_NewTopic_destroy_array(&topics, topics.count)
        isAsking = true
    }

    private func take(_ event: OpaquePointer, _ tell: (Consumer.Event) -> Void) {
        let function = "rd_kafka_CreateTopics"
        let code = unsafe rd_kafka_event_error(event)
        guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let result = unsafe rd_kafka_event_CreateTopics_result(event) else {
            let reason = unsafe rd_kafka_event_error_string(event).map { unsafe String(cString: $0) }
            return tell(.failure(KafkaError(code, function, reason: reason)))
        }
        var count = 0
        let topics = unsafe rd_kafka_CreateTopics_result_topics(result, &count)
        for index in 0..<count {
            guard let topic = unsafe topics?[index] else { continue }
            let name = unsafe String(cString: rd_kafka_topic_result_name(topic))
            let code = unsafe rd_kafka_topic_result_error(topic)
            switch code {
            case RD_KAFKA_RESP_ERR_NO_ERROR: tell(.created(topic: name))
            // Another member has created it.
            case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: break
            default:
                let reason = unsafe rd_kafka_topic_result_error_string(topic).map { unsafe String(cString: $0) }
                tell(.failure(KafkaError(code, function, reason: "\(name): \(reason ?? "refused")")))
                continue
            }
            names.remove(name)
        }
    }
}
