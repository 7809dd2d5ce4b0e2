internal import CKafka

/// The events that a client reports besides messages, in their order.
final class News {
    private var events: [Consumer.Event] = []
    private var isReachable = true
    private var lastConnectionFailure: String?

    static func of(_ context: UnsafeMutableRawPointer?) -> News? {
        unsafe context.map { unsafe Unmanaged<News>.fromOpaque($0).takeUnretainedValue() }
    }

    func next() -> Consumer.Event? { events.isEmpty ? nil : events.removeFirst() }

    func add(_ event: Consumer.Event) { events.append(event) }

    func report(_ code: rd_kafka_resp_err_t, _ reason: String?) {
        let error = KafkaError(code, "librdkafka", reason: reason)
        guard code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN else {
            if error.isConnection { lastConnectionFailure = error.reason }
            return add(.failure(error))
        }
        guard isReachable else { return }
        isReachable = false
        add(.unreachable(reason: lastConnectionFailure ?? error.reason))
    }

    func reportCommit(_ code: rd_kafka_resp_err_t) {
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR, code != RD_KAFKA_RESP_ERR__NO_OFFSET else { return }
        add(.failure(KafkaError(code, "rd_kafka_commit")))
    }

    /// Finds out from the statistics that a broker can be reached again; nothing else reports it (STATISTICS.md,
    /// brokers).
    func read(statistics: UnsafeRawBufferPointer) {
        guard !isReachable, unsafe Self.contains(statistics, Array(#""state":"UP""#.utf8)) else { return }
        isReachable = true
        lastConnectionFailure = nil
        add(.reachable)
    }

    private static func contains(_ text: UnsafeRawBufferPointer, _ part: [UInt8]) -> Bool {
        guard text.count >= part.count else { return false }
        return (0...(text.count - part.count)).contains { start in
            unsafe text[start] == part[0] && text[start..<(start + part.count)].elementsEqual(part)
        }
    }
}
