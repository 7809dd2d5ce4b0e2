internal import CKafka

/// A failure of a librdkafka function, or an error that librdkafka reports of a broker.
package struct KafkaError: Error, Equatable, Sendable, CustomStringConvertible {
    package let function: String
    /// A rd_kafka_resp_err_t: a negative code is librdkafka's own, another is the Kafka protocol's.
    package let code: Int32
    package let reason: String

    package var description: String { "\(function): \(reason)" }

    init(function: String, code: Int32, reason: String) {
        self.function = function
        self.code = code
        self.reason = reason
    }

    init(_ code: rd_kafka_resp_err_t, _ function: String, reason: String? = nil) {
        self.init(
            function: function, code: code.rawValue,
            reason: unsafe reason ?? String(cString: rd_kafka_err2str(code)))
    }

    /// Whether a broker cannot be reached. librdkafka tries again by itself.
    package var isConnection: Bool {
        [
            RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
            RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__WAIT_COORD,
        ].contains { $0.rawValue == code }
    }
}

func check(_ code: rd_kafka_resp_err_t, _ function: String) throws(KafkaError) {
    if code != RD_KAFKA_RESP_ERR_NO_ERROR { throw KafkaError(code, function) }
}

/// Calls a function that writes the reason for its failure into a buffer.
/// - Returns: what the function returned, and that reason.
func explained<Value>(_ call: (UnsafeMutablePointer<CChar>, Int) -> Value) -> (value: Value, reason: String) {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { buffer in
        unsafe buffer.initialize(repeating: 0)
        guard let start = buffer.baseAddress else { preconditionFailure("a buffer of 512 bytes has an address") }
        let value = unsafe call(start, buffer.count)
        return (value, unsafe String(cString: start))
    }
}
