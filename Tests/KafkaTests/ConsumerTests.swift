import Linux
import Testing

@testable import Kafka

@Suite struct ConsumerTests {
    private func consumer(
        brokers: String = "127.0.0.1:1", _ properties: [(name: String, value: String)] = []
    ) throws(KafkaError) -> Consumer {
        try Consumer(brokers: brokers, group: "g", topics: ["t"], properties: properties)
    }

    /// The first event that `isWanted` accepts, within 15 s.
    private func event(of consumer: Consumer, where isWanted: (Consumer.Event) -> Bool) -> Consumer.Event? {
        let end = SystemClock.bootTimeMicroseconds() + 15_000_000
        while SystemClock.bootTimeMicroseconds() < end {
            if let event = consumer.poll(milliseconds: 50), isWanted(event) { return event }
        }
        return nil
    }

    @Test(
        arguments: [
            ("no.such.property", "1"), ("security.protocol", "telepathy"), ("sasl.mechanism", ""),
            ("ssl.ca.location", "/nowhere/at/all"),
        ])
    func `a property that librdkafka refuses is an error with its name`(name: String, value: String) throws {
        let error = #expect(throws: KafkaError.self) {
            let tls = name.hasPrefix("ssl.") ? [(name: "security.protocol", value: "ssl")] : []
            _ = try consumer(tls + [(name, value)])
        }
        let text = try #require(error).description
        #expect(text.contains(name) && text.hasPrefix("rd_kafka_"), "\(text)")
    }

    @Test func `an unreachable broker is reported once`() throws {
        let consumer = try consumer()
        defer { consumer.close(milliseconds: 0) }
        let first = event(of: consumer) {
            if case .unreachable = $0 { true } else { false }
        }
        #expect(first != nil)
        for _ in 0..<20 {
            if case .unreachable? = consumer.poll(milliseconds: 50) { Issue.record("reported twice") }
        }
    }

    @Test func `a consumer of a working cluster reports no failure, and closes at once`() throws {
        // The cluster is a mock of librdkafka, inside the client.
        let consumer = try consumer([("test.mock.num.brokers", "1")])
        for _ in 0..<40 { #expect(consumer.poll(milliseconds: 50) == nil) }
        let began = SystemClock.bootTimeMicroseconds()
        consumer.close(milliseconds: 10_000)
        #expect(SystemClock.bootTimeMicroseconds() - began < 5_000_000)
    }

    @Test(arguments: [0, 41, Int64.max - 1])
    func `the offset of a group is the one after the last handled message`(offset: Int64) {
        let handled = Offset(after: Message(topic: "t", partition: 3, offset: offset, value: nil))
        #expect((handled.topic, handled.partition, handled.next) == ("t", 3, offset + 1))
    }
}
