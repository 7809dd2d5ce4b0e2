package import Values

/// What the configuration says of a queue.
package struct QueueSettings: Equatable, Sendable {
    package var name: String
    package var limits: QueueLimits
    /// Where messages may come from; empty: from anywhere.
    package var allowedNetworks: [IPNetwork]
    /// How senders prove themselves; `nil`: they need not.
    package var authentication: SenderAuthentication?

    package init(
        name: String, limits: QueueLimits = QueueLimits(), allowedNetworks: [IPNetwork] = [],
        authentication: SenderAuthentication? = nil
    ) {
        self.name = name
        self.limits = limits
        self.allowedNetworks = allowedNetworks
        self.authentication = authentication
    }

    /// - Parameter address: as nginx vouches for it.
    package func allows(_ address: String?) -> Bool {
        if allowedNetworks.isEmpty { return true }
        guard let address = address.flatMap({ IPAddress($0) }) else { return false }
        return allowedNetworks.contains { $0.contains(address) }
    }
}

/// What a queue keeps at the most. All limits are inclusive.
package struct QueueLimits: Equatable, Sendable {
    package var messageCount: UInt64
    /// Of one message.
    package var messageBytes: UInt64
    /// Of all messages.
    package var queueBytes: UInt64

    package init(messageCount: UInt64 = 100, messageBytes: UInt64 = 20_000, queueBytes: UInt64 = 1_000_000) {
        self.messageCount = messageCount
        self.messageBytes = messageBytes
        self.queueBytes = queueBytes
    }
}

/// A queue that is in force.
package struct Queue: Equatable, Sendable {
    /// Counts queues in the order they were first configured. A queue that goes and comes back is another one.
    package let number: UInt64
    package let settings: QueueSettings

    package init(number: UInt64, settings: QueueSettings) {
        self.number = number
        self.settings = settings
    }
}

/// Where a queue stands: which ids it has given out, and what it still keeps.
package struct QueueLog: Equatable, Sendable {
    /// The id given out last; 0 before the first.
    package private(set) var current: UInt64
    /// No message below this id is kept.
    package private(set) var first: UInt64
    /// Of the messages that are kept.
    package private(set) var count: UInt64
    package private(set) var bytes: UInt64
    /// The highest id that was refused for its size or has rolled off; 0 where none.
    package private(set) var lost: UInt64

    package init(current: UInt64 = 0, first: UInt64 = 1, count: UInt64 = 0, bytes: UInt64 = 0, lost: UInt64 = 0) {
        self.current = current
        self.first = first
        self.count = count
        self.bytes = bytes
        self.lost = lost
    }

    /// Whether it can have come about.
    package var isSound: Bool {
        first >= 1 && first - 1 <= lost && lost <= current && count <= current - (first - 1)
    }

    /// Gives a message its id.
    /// - Parameter floor: the lowest id that may be given.
    package mutating func append(bytes size: Int, from floor: UInt64 = 0) -> UInt64 {
        current = max(current + 1, floor)
        count += 1
        bytes += UInt64(size)
        return current
    }

    /// Counts a message that has its id already.
    package mutating func restore(bytes size: Int) {
        count += 1
        bytes += UInt64(size)
    }

    /// Uses up an id for a message that is too large to be kept.
    /// - Parameter floor: the lowest id that may be given.
    package mutating func skip(from floor: UInt64 = 0) {
        current = max(current + 1, floor)
        lost = current
    }

    /// Drops the oldest message.
    package mutating func rollOff(_ id: UInt64, bytes size: Int) {
        first = id + 1
        count -= min(count, 1)
        bytes -= min(bytes, UInt64(size))
        lost = max(lost, id)
    }

    /// Whether the oldest message has to go.
    package func exceeds(_ limits: QueueLimits) -> Bool {
        count > limits.messageCount || bytes > limits.queueBytes
    }

    /// How many messages a reader has not read that has read up to `cursor`; where it has lost some, at most as many.
    package func lag(of cursor: UInt64) -> UInt64 {
        let difference = current - min(current, cursor)
        // Ids may have gaps, but what was lost cannot be counted.
        return lost > cursor ? difference : min(difference, count)
    }

    /// Where a reader stands that has read up to `cursor`.
    package func standing(of cursor: UInt64) -> Standing {
        lost > cursor ? .lost : current > cursor ? .behind : .upToDate
    }
}

/// Where a reader of a queue stands.
package enum Standing: Equatable, Sendable {
    case upToDate
    /// There are messages that it has not read.
    case behind
    /// Messages that it should have read are no longer there.
    case lost
}
