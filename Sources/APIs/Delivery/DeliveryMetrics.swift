/// Metrics of all deliveries together, since the store was created.
package struct DeliveryMetrics: Equatable, Sendable {
    /// Attempts by outcome: index 0 for success, else the raw value of the error's kind.
    package var attempts = [UInt64](repeating: 0, count: 1 + Int(Attempt.ErrorKind.allCases.map(\.rawValue).max() ?? 0))
    package var reusedConnections: UInt64 = 0
    /// In the order of `OperationalEvent.Kind.allCases`.
    package var events = [UInt64](repeating: 0, count: OperationalEvent.Kind.allCases.count)
    /// The duration of attempts.
    package var attempt = Histogram()
    /// From the event to the first success.
    package var latency = Histogram()
    /// From when a delivery was due to when its attempt began.
    package var lag = Histogram()

    package init() {}

    package mutating func count(_ kind: OperationalEvent.Kind) {
        if let index = OperationalEvent.Kind.allCases.firstIndex(of: kind) { events[index] += 1 }
    }

    package mutating func count(_ attempt: Attempt, isReusedConnection: Bool) {
        attempts[Int(attempt.failure?.kind.rawValue ?? 0)] += 1
        if isReusedConnection { reusedConnections += 1 }
        if attempt.failure?.kind != .disabled { self.attempt.add(Double(attempt.durationMilliseconds) / 1000) }
    }
}

/// Counts values by bucket, and adds them up.
package struct Histogram: Equatable, Sendable {
    /// The upper bounds of the buckets, in seconds.
    package static let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600]

    /// Values that are at most the bound and larger than the previous bound; the last bucket counts those above all bounds.
    package var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    package var microseconds: UInt64 = 0

    package init() {}

    package mutating func add(_ seconds: Double) {
        let value = max(0, seconds)
        counts[Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count] += 1
        microseconds &+= UInt64(min(value, 1e12) * 1e6)
    }
}
