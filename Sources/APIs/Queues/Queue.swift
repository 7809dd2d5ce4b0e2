package import Values

/// The configuration of a queue.
package struct QueueSettings: Equatable, Sendable {
    package var name: String
    package var limits: QueueLimits
    /// The networks that messages may come from; empty: all.
    package var allowedNetworks: [IPNetwork]
    /// How senders authenticate messages; `nil`: not at all.
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

    /// - Parameter address: the sender's address, as nginx reports it.
    package func allows(_ address: String?) -> Bool {
        if allowedNetworks.isEmpty { return true }
        guard let address = address.flatMap({ IPAddress($0) }) else { return false }
        return allowedNetworks.contains { $0.contains(address) }
    }
}

/// The most that a queue keeps. All limits are inclusive.
package struct QueueLimits: Equatable, Sendable {
    package var messageCount: UInt64
    /// The size of one message.
    package var messageBytes: UInt64
    /// The size of all messages together.
    package var queueBytes: UInt64

    package init(messageCount: UInt64 = 100, messageBytes: UInt64 = 20_000, queueBytes: UInt64 = 1_000_000) {
        self.messageCount = messageCount
        self.messageBytes = messageBytes
        self.queueBytes = queueBytes
    }
}

/// A queue that is in force.
package struct Queue: Equatable, Sendable {
    /// Numbers queues in the order they were first configured. A queue that is removed and added again gets a new number.
    package let number: UInt64
    package let settings: QueueSettings

    package init(number: UInt64, settings: QueueSettings) {
        self.number = number
        self.settings = settings
    }
}

/// The state of a queue: the ids that were assigned, and the messages that are kept.
package struct QueueLog: Equatable, Sendable {
    /// The last assigned id; 0 before the first.
    package private(set) var current: UInt64
    /// No message with a lower id is kept.
    package private(set) var first: UInt64
    /// The number of messages that are kept; `bytes` is their size.
    package private(set) var count: UInt64
    package private(set) var bytes: UInt64
    /// The highest id that was refused for its size or has rolled off; 0 if there is none.
    package private(set) var lost: UInt64

    package init(current: UInt64 = 0, first: UInt64 = 1, count: UInt64 = 0, bytes: UInt64 = 0, lost: UInt64 = 0) {
        self.current = current
        self.first = first
        self.count = count
        self.bytes = bytes
        self.lost = lost
    }

    /// Whether the values are consistent.
    package var isSound: Bool {
        first >= 1 && first - 1 <= lost && lost <= current && count <= current - (first - 1)
    }

    /// Assigns an id to a message.
    /// - Parameter floor: the lowest id that may be assigned.
    package mutating func append(bytes size: Int, from floor: UInt64 = 0) -> UInt64 {
        current = max(current + 1, floor)
        count += 1
        bytes += UInt64(size)
        return current
    }

    /// Counts a message that already has an id.
    package mutating func restore(bytes size: Int) {
        count += 1
        bytes += UInt64(size)
    }

    /// Uses up an id for a message that is too large to be kept.
    /// - Parameter floor: the lowest id that may be assigned.
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

    /// Whether the oldest message must be removed.
    package func exceeds(_ limits: QueueLimits) -> Bool {
        count > limits.messageCount || bytes > limits.queueBytes
    }

    /// How many messages a reader whose cursor is `cursor` has not read. If it has lost some, this is an upper bound.
    package func lag(of cursor: UInt64) -> UInt64 {
        let difference = current - min(current, cursor)
        // Ids may have gaps, but lost messages cannot be counted.
        return lost > cursor ? difference : min(difference, count)
    }

    /// The state of a reader whose cursor is `cursor`.
    package func standing(of cursor: UInt64) -> Standing {
        lost > cursor ? .lost : current > cursor ? .behind : .upToDate
    }
}

/// The state of a reader of a queue.
package enum Standing: Equatable, Sendable {
    case upToDate
    /// There are messages that it has not read.
    case behind
    /// Messages that it has not read are no longer kept.
    case lost
}
