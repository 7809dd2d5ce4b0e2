internal import Delivery
internal import HTTP
internal import LMDB
internal import Queues
package import Storage
package import Values

/// The metrics of deliveries, and the time of the last attempt, as stored.
struct DeliveryMetricsRecord: Equatable, KeylessRecord {
    typealias Key = RecordName
    static let name = "the metrics of deliveries"

    var metrics = DeliveryMetrics()
    /// When an attempt last ended, on the steady clock.
    var progressed = Timestamp(microseconds: 0)

    /// Version 1 has no counts of operational events.
    private static let versions: ClosedRange<UInt8> = 1...2

    init() {}

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.byte(Self.versions.upperBound)
        writer.fixed(progressed.microseconds)
        writer.number(metrics.reusedConnections)
        for counts in [metrics.attempts] + Self.histograms.map({ metrics[keyPath: $0].counts }) {
            writer.number(UInt64(counts.count))
            for count in counts { writer.number(count) }
        }
        for histogram in Self.histograms { writer.number(metrics[keyPath: histogram].microseconds) }
        writer.number(UInt64(metrics.events.count))
        for count in metrics.events { writer.number(count) }
        return writer.bytes
    }

    private static var histograms: [WritableKeyPath<DeliveryMetrics, Histogram>] { [\.attempt, \.latency, \.lag] }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard let version = reader.byte(), Self.versions.contains(version), let time = reader.fixedSigned(),
            let reused = reader.number(),
            let attempts = Self.counts(&reader, atMost: metrics.attempts.count)
        else { return nil }
        progressed = Timestamp(microseconds: time)
        metrics.reusedConnections = reused
        for (index, count) in attempts.enumerated() { metrics.attempts[index] = count }
        for histogram in Self.histograms {
            guard let counts = Self.counts(&reader, atMost: Histogram.bounds.count + 1) else { return nil }
            for (index, count) in counts.enumerated() { metrics[keyPath: histogram].counts[index] = count }
        }
        for histogram in Self.histograms {
            guard let sum = reader.number() else { return nil }
            metrics[keyPath: histogram].microseconds = sum
        }
        guard version > 1 else { return }
        guard let events = Self.counts(&reader, atMost: metrics.events.count) else { return nil }
        for (index, count) in events.enumerated() { metrics.events[index] = count }
    }

    private static func counts(_ reader: inout ByteReader, atMost limit: Int) -> [UInt64]? {
        guard let count = reader.number(), count <= UInt64(limit) else { return nil }
        var counts: [UInt64] = []
        for _ in 0..<count {
            guard let value = reader.number() else { return nil }
            counts.append(value)
        }
        return counts
    }
}

extension MappedStore {
    /// How many destinations are checked for being disabled.
    private static let lookedAtForMetrics = 10_000

    package func metrics(at moment: Moment) throws(StoreFailure) -> StoreMetrics {
        let bytes = try core.usedBytes()
        return try read { (transaction) throws(LMDBError) in
            let record = try deliveries.deliveryMetrics(in: transaction)
            let state = try deliveries.deliveryState(in: transaction)
            var (disabled, seen) = (0, 0)
            try tables.destinations.scan(in: transaction) { _, destination in
                if destination?.isDisabled(at: moment.wall) == true { disabled += 1 }
                seen += 1
                return seen < Self.lookedAtForMetrics
            }
            var (messages, messageBytes, ever): (UInt64, UInt64, UInt64) = (0, 0, 0)
            try tables.queueLogs.scan(in: transaction) { _, log in
                if let log {
                    messages += log.count
                    messageBytes += log.bytes
                    ever &+= log.current
                }
                return true
            }
            var oldest: Timestamp?
            for heads in deliveries.heads {
                try deliveries.scanHeads(heads, in: transaction) { time, _ in
                    oldest = min(oldest ?? time, time)
                    return false
                }
            }
            let isLate = oldest.map { moment.steady.seconds(since: $0) > 60 } ?? false
            var metrics = StoreMetrics()
            metrics.deliveries = record.metrics
            metrics.intake = try webhooks.intakeMetrics(in: transaction)
            metrics.pending = state.pending
            metrics.inFlight = state.inFlight
            metrics.destinations = try tables.destinations.count(in: transaction)
            metrics.disabledDestinations = disabled
            metrics.subscriptions = try tables.subscriptions.count(in: transaction)
            metrics.waitingEvents = try tables.waitingEvents.count(in: transaction)
            metrics.endpoints = try tables.endpointIDs.count(in: transaction)
            metrics.queues = try tables.queues.count(in: transaction)
            metrics.queuedMessages = messages
            metrics.queuedBytes = messageBytes
            metrics.queuedEver = ever
            metrics.storeBytes = bytes
            metrics.areDeliveriesStalled = isLate && moment.steady.seconds(since: record.progressed) > 60
            return metrics
        }
    }
}

extension MappedDeliveries {
    func deliveryMetrics(in transaction: borrowing Transaction) throws(LMDBError) -> DeliveryMetricsRecord {
        try core.shared(
            tables.deliveryMetrics, rebuilt: { () throws(LMDBError) in DeliveryMetricsRecord() }, in: transaction)
            ?? DeliveryMetricsRecord()
    }
}
