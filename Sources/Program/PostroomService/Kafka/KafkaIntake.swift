internal import HTTP
package import Kafka
internal import Linux
package import Logging
package import Lookups
package import Storage
internal import SystemPackage
internal import Values
internal import Webhooks

/// Reads events from Kafka topics and stores them.
///
/// Messages are read in batches. The events of a batch are stored in one transaction, and the group's offsets are committed
/// only after it. If the store fails, the same batch is tried again, and nothing else is read meanwhile. If the worker is
/// killed between the two commits, the batch is read again, and its events are recognized by their ids.
package final class KafkaIntake {
    private let settings: KafkaSettings
    private let maximumBytes: Int
    private let store: any StorageEngine
    private let logger: Logger
    private let consumer: Consumer
    private let lookups: Lookups

    private var batch: [(published: PublishedEvent, origin: Logger.Metadata)] = []
    private var leftOut = IntakeMetrics()
    private var offsets: [Partition: Offset] = [:]
    /// The environments of the batch's events that are known to exist.
    private var existing: Set<UUID> = []
    private var isFull = false
    private var isPending = false
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

    package init(
        _ settings: KafkaSettings, maximumBytes: Int, store: any StorageEngine, lookups: Lookups, logger: Logger
    ) throws(KafkaError) {
        self.settings = settings
        self.maximumBytes = maximumBytes
        self.store = store
        self.lookups = lookups
        self.logger = logger
        consumer = try Consumer(
            brokers: settings.brokers.joined(separator: ","), group: settings.group, topics: settings.topics,
            fetchBytes: settings.fetchBytes, fetchMilliseconds: Int(settings.fetchSeconds * 1000),
            replicationFactor: settings.replicationFactor, properties: settings.security.properties)
    }

    /// How long to wait at the most before `work` is called again.
    var pauseMilliseconds: Int {
        let pause = isFull && !isWaiting && !isPending ? 0 : max(1, Int(settings.fetchSeconds * 1000))
        guard let due = lookups.dueMicroseconds else { return pause }
        return min(pause, Int(max(0, due - SystemClock.bootTimeMicroseconds()) + 999) / 1000)
    }

    /// Readable when `work` has something to do before `pauseMilliseconds` are over.
    var descriptor: FileDescriptor { lookups.descriptor }

    /// Reads a batch if none is pending, and stores it once its environments are known.
    func work() async {
        _ = lookups.work()
        guard SystemClock.bootTimeMicroseconds() >= triesAgainAt else { return }
        if offsets.isEmpty { collect() }
        guard !offsets.isEmpty, knowsEnvironments(), await storeBatch() else { return }
        do throws(KafkaError) {
            try consumer.commit(Array(offsets.values))
        } catch {
            report(error)
        }
        batch = []
        leftOut = IntakeMetrics()
        offsets = [:]
        existing = []
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
                logger.warning("no Kafka broker can be reached; trying again", metadata: ["reason": "\(reason)"])
            case .reachable:
                isReachable = true
                logger.info("a Kafka broker can be reached again")
            case .created(let topic): logger.info("created a missing Kafka topic", metadata: ["topic": "\(topic)"])
            }
        }
        isFull = count >= Self.batchSize || bytes >= Self.batchBytes
    }

    private func take(_ message: Message) {
        offsets[Partition(topic: message.topic, number: message.partition)] = Offset(after: message)
        let origin: Logger.Metadata = [
            "topic": "\(message.topic)", "partition": .stringConvertible(Int(message.partition)),
            "offset": .stringConvertible(Int(message.offset)),
        ]
        do throws(APIError) {
            let published = try PublishedEvent(
                message, type: settings.eventType(ofTopic: message.topic)?.name, maximumBytes: maximumBytes,
                now: store.clock.now().wall)
            batch.append((published, origin))
        } catch {
            leftOut.unreadable += 1
            let reason: Logger.Metadata = ["reason": "\(error.message)"]
            logger.warning(
                "left out a Kafka message that is not a valid event",
                metadata: origin.merging(reason) { $1 })
        }
    }

    /// Leaves out the events whose environment does not exist.
    /// - Returns: whether all environments are known. Otherwise the batch stays pending and is tried again later, and
    ///   nothing else is read meanwhile.
    private func knowsEnvironments() -> Bool {
        isPending = false
        var isAnswered = true
        batch.removeAll { published, origin in
            let environment = published.environment
            guard !existing.contains(environment) else { return false }
            switch lookups.environment(environment) {
            case .found(true): existing.insert(environment)
            case nil: isPending = true
            case .unanswered, .tooMany: isAnswered = false
            case .found(false):
                leftOut.ofUnknownEnvironments += 1
                let name: Logger.Metadata = ["environment": "\(environment)", "event_id": "\(published.event.id)"]
                logger.warning(
                    "left out a Kafka event of an environment that does not exist",
                    metadata: origin.merging(name) { $1 })
                return true
            }
            return false
        }
        if !isAnswered { wait("the project-management service does not answer") }
        return isAnswered && !isPending
    }

    /// Stores the events of the batch in one transaction.
    /// - Returns: whether the batch is durable.
    private func storeBatch() async -> Bool {
        guard !batch.isEmpty || leftOut != IntakeMetrics() else { return true }
        do throws(StoreFailure) {
            for (published, _) in batch {
                _ = try await store.webhooks.accept(
                    published.event, in: published.environment, for: nil, at: store.clock.now())
            }
            try await store.webhooks.count(leftOut)
            try store.commit()
            try store.flush()
            isWaiting = false
            return true
        } catch {
            store.rollBack()
            wait("\(error)")
            if case .lost = error { Signal.raise(Signal.terminate) }
            return false
        }
    }

    private func wait(_ reason: String) {
        // Log this once, and not with every try.
        if !isWaiting {
            logger.warning(
                "events from Kafka have to wait; trying again every second", metadata: ["reason": "\(reason)"])
        }
        isWaiting = true
        triesAgainAt = SystemClock.bootTimeMicroseconds() + 1_000_000
    }

    /// Logs a failure, and the same failure again only after a minute. Failures of connections are logged at debug level,
    /// because `collect` logs when no broker can be reached.
    private func report(_ error: KafkaError) {
        guard !error.isConnection else {
            return logger.debug("Kafka", metadata: ["reason": "\(error)"])
        }
        let now = SystemClock.bootTimeMicroseconds()
        if let last = lastFailure, last.error == error, now - last.at < 60_000_000 { return }
        lastFailure = (error, now)
        logger.warning("Kafka reported an error; continuing", metadata: ["reason": "\(error)"])
    }
}
