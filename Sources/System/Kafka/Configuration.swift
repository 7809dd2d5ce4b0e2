internal import CKafka

/// The properties of a client that is still to be made (CONFIGURATION.md of librdkafka).
@safe struct Configuration: ~Copyable {
    private let handle: OpaquePointer

    init() {
        unsafe handle = rd_kafka_conf_new()
    }

    func set(_ name: String, _ value: String) throws(KafkaError) {
        let (code, reason) = unsafe explained { unsafe rd_kafka_conf_set(handle, name, value, $0, $1) }
        if code != RD_KAFKA_CONF_OK {
            throw KafkaError(function: "rd_kafka_conf_set", code: code.rawValue, reason: reason)
        }
    }

    func set(_ name: String, _ value: Int) throws(KafkaError) { try set(name, String(value)) }

    /// Has the client report errors, statistics and results of commits to `news`. It does so in rd_kafka_consumer_poll,
    /// and thus in the thread that calls that.
    /// - Parameter news: must outlive the client.
    func report(to news: News) {
        unsafe rd_kafka_conf_set_opaque(handle, Unmanaged.passUnretained(news).toOpaque())
        unsafe rd_kafka_conf_set_error_cb(handle) { _, code, reason, context in
            unsafe News.of(context)?.report(rd_kafka_resp_err_t(code), reason.map { unsafe String(cString: $0) })
        }
        unsafe rd_kafka_conf_set_stats_cb(handle) { _, text, count, context in
            unsafe News.of(context)?.read(statistics: UnsafeRawBufferPointer(start: text, count: count))
            return 0
        }
        unsafe rd_kafka_conf_set_offset_commit_cb(handle) { _, code, _, context in
            unsafe News.of(context)?.reportCommit(code)
        }
        // The default logger writes to standard error, from librdkafka's threads. Important problems are reported as
        // errors.
        unsafe rd_kafka_conf_set_log_cb(handle) { _, _, _, _ in }
    }

    /// Makes a consumer, which then owns the handle; if that fails, the handle is destroyed here (rdkafka.h,
    /// rd_kafka_new).
    consuming func makeConsumer() throws(KafkaError) -> OpaquePointer {
        let (client, reason) = unsafe explained { unsafe rd_kafka_new(RD_KAFKA_CONSUMER, handle, $0, $1) }
        guard let client = unsafe client else {
            let error = KafkaError(rd_kafka_last_error(), "rd_kafka_new", reason: reason)
            _ = consume self
            throw error
        }
        discard self
        return unsafe client
    }

    deinit { unsafe rd_kafka_conf_destroy(handle) }
}
