internal import CKafka

/// The message at one offset of a partition.
package struct Message: Equatable, Sendable {
    package struct Header: Equatable, Sendable {
        package let name: String
        package let value: [UInt8]?

        package init(name: String, value: [UInt8]?) {
            self.name = name
            self.value = value
        }
    }

    package let topic: String
    package let partition: Int32
    package let offset: Int64
    /// When the message was made, or when it arrived at the broker, depending on the topic's settings; in milliseconds
    /// since 1970. `nil` if there is no such time.
    package let milliseconds: Int64?
    package let key: [UInt8]?
    /// `nil` marks the key as deleted.
    package let value: [UInt8]?
    package let headers: [Header]

    package init(
        topic: String, partition: Int32, offset: Int64, milliseconds: Int64? = nil, key: [UInt8]? = nil,
        value: [UInt8]?, headers: [Header] = []
    ) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.milliseconds = milliseconds
        self.key = key
        self.value = value
        self.headers = headers
    }

    /// Copies the bytes, which librdkafka owns and frees in rd_kafka_message_destroy.
    init(copying message: UnsafePointer<rd_kafka_message_t>) {
        topic = unsafe topicName(message.pointee.rkt) ?? ""
        partition = unsafe message.pointee.partition
        offset = unsafe message.pointee.offset
        var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let time = unsafe rd_kafka_message_timestamp(message, &kind)
        milliseconds = kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || time < 0 ? nil : time
        key = unsafe bytes(message.pointee.key, message.pointee.key_len)
        value = unsafe bytes(message.pointee.payload, message.pointee.len)
        headers = unsafe Self.headers(of: message)
    }

    private static func headers(of message: UnsafePointer<rd_kafka_message_t>) -> [Header] {
        var list: OpaquePointer?
        guard unsafe rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR else { return [] }
        var headers: [Header] = []
        while true {
            var name: UnsafePointer<CChar>?
            var value: UnsafeRawPointer?
            var size = 0
            let code = unsafe rd_kafka_header_get_all(list, headers.count, &name, &value, &size)
            guard code == RD_KAFKA_RESP_ERR_NO_ERROR, let name = unsafe name else { return headers }
            headers.append(unsafe Header(name: String(cString: name), value: bytes(value, size)))
        }
    }
}

/// The position from which a group continues in a partition.
package struct Offset: Equatable, Sendable {
    package let topic: String
    package let partition: Int32
    /// The offset after that of the last processed message.
    package let next: Int64

    /// - Parameter message: the last processed message; all before it are processed too.
    package init(after message: Message) {
        topic = message.topic
        partition = message.partition
        next = message.offset + 1
    }
}

func topicName(_ topic: OpaquePointer?) -> String? {
    unsafe topic.flatMap { unsafe rd_kafka_topic_name($0) }.map { unsafe String(cString: $0) }
}

private func bytes(_ start: UnsafeRawPointer?, _ count: Int) -> [UInt8]? {
    unsafe start.map { unsafe Array(UnsafeRawBufferPointer(start: $0, count: count)) }
}
