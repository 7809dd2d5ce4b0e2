internal import Gateway
internal import Kafka
internal import Linux
internal import Logging
internal import MappedStore
internal import Webhooks

/// Takes in the events that are published to Kafka.
///
/// Messages are taken in batches: the events of one are kept in one transaction, and only then the group's offsets go on.
/// Where the store fails, the same batch is tried again and nothing else is read. A batch that was kept and comes again, as
/// the worker was killed before it could say so, is known by the ids of its events.
final class KafkaIntake {
    private let settings: KafkaSettings
    private let maximumBytes: Int
    private let store: MappedStore
    private let logger: Logger
    private let consumer: Consumer

    private var batch: [PublishedEvent] = []
    private var offsets: [Partition: Offset] = [:]
    private var isFull = false
    private var isWaiting = false
    private var isReachable = true
    private var triesAgainAt: Int64 = 0
    private var lastFailure: (error: KafkaError, at: Int64)?

    private struct Partition: Hashable {
        let topic: String
        let number: Int32
    }

    private static let batchSize = 200
    private static let batchBytes = 4 << 20

    init(_ settings: KafkaSettings, maximumBytes: Int, store: MappedStore, logger: Logger) throws(KafkaError) {
        self.settings = settings
        self.maximumBytes = maximumBytes
        self.store = store
        self.logger = logger
        consumer = try Consumer(
            brokers: settings.brokers.joined(separator: ","), group: settings.group, topics: settings.topics,
            fetchBytes: settings.fetchBytes, fetchMilliseconds: Int(settings.fetchSeconds * 1000),
            replicationFactor: settings.replicationFactor)
    }

    /// How long to wait for the next turn at the most.
    var pauseMilliseconds: Int { isFull && !isWaiting ? 0 : max(1, Int(settings.fetchSeconds * 1000)) }

    /// Takes in one batch, if there is something.
    func turn() {
        guard SystemClock.bootTimeMicroseconds() >= triesAgainAt else { return }
        if offsets.isEmpty { collect() }
        guard !offsets.isEmpty, keep() else { return }
        do throws(KafkaError) {
            try consumer.commit(Array(offsets.values))
        } catch {
            report(error)
        }
        batch = []
        offsets = [:]
    }

    /// Leaves the group, so that others need not wait for this member.
    func close() { consumer.close(milliseconds: isReachable ? 2000 : 0) }

    private func collect() {
        var count = 0
        var bytes = 0
        while count < Self.batchSize, bytes < Self.batchBytes, let event = consumer.poll(milliseconds: 0) {
            count += 1
            switch event {
            case .message(let message):
                bytes += message.value?.count ?? 0
                take(message)
            case .failure(let error): report(error)
            case .unreachable(let reason):
                isReachable = false
                logger.warning("no Kafka broker can be reached", metadata: ["reason": "\(reason)"])
            case .reachable:
                isReachable = true
                logger.info("a Kafka broker can be reached again")
            case .created(let topic): logger.info("made a topic that was missing", metadata: ["topic": "\(topic)"])
            }
        }
        isFull = count >= Self.batchSize || bytes >= Self.batchBytes
    }

    private func take(_ message: Message) {
        offsets[Partition(topic: message.topic, number: message.partition)] = Offset(after: message)
        do throws(APIError) {
            batch.append(
                try PublishedEvent(
                    message, type: settings.eventType(ofTopic: message.topic)?.name, maximumBytes: maximumBytes,
                    now: store.clock.now().wall))
        } catch {
            logger.warning(
                "a message from Kafka cannot be understood, and is left out",
                metadata: [
                    "topic": "\(message.topic)", "partition": "\(message.partition)", "offset": "\(message.offset)",
                    "reason": "\(error.message)",
                ])
        }
    }

    /// - Returns: whether the batch is kept for good.
    private func keep() -> Bool {
        guard !batch.isEmpty else { return true }
        do throws(StoreFailure) {
            for published in batch {
                _ = try store.accept(published.event, in: published.environment, for: nil, at: store.clock.now())
            }
            try store.commit()
            try store.settle()
            isWaiting = false
            return true
        } catch {
            store.rollBack()
            // Once, not each second.
            if !isWaiting { logger.warning("events from Kafka have to wait", metadata: ["reason": "\(error)"]) }
            isWaiting = true
            if case .lost = error { Signal.raise(Signal.terminate) }
            triesAgainAt = SystemClock.bootTimeMicroseconds() + 1_000_000
            return false
        }
    }

    /// Logs a failure, the same one once a minute. What follows from an unreachable broker has been said.
    private func report(_ error: KafkaError) {
        guard !error.isConnection else {
            return logger.debug("Kafka", metadata: ["reason": "\(error)"])
        }
        let now = SystemClock.bootTimeMicroseconds()
        if let last = lastFailure, last.error == error, now - last.at < 60_000_000 { return }
        lastFailure = (error, now)
        logger.warning("Kafka failed at something, and goes on", metadata: ["reason": "\(error)"])
    }
}
