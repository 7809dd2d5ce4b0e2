/// The forwards of one endpoint to one URL. They have their turns one after the other, so that a target that does not answer
/// holds back no other.
package struct ForwardLane: Hashable, Sendable {
    /// The endpoint's number.
    package let endpoint: UInt64
    /// A digest of the URL.
    package let target: UInt64

    package init(endpoint: UInt64, target: UInt64) {
        self.endpoint = endpoint
        self.target = target
    }
}

/// How many attempts to forward may be in flight, and how endpoints and their targets share them.
///
/// The endpoint with the fewest attempts in flight has the next one. Attempts that hang cannot be ended early: so a lane has
/// few, and beyond all slots there are some for endpoints that have no attempt in flight.
package struct ForwardRoom: Equatable, Sendable {
    private var taken = 0
    private var endpoints: [UInt64: Int] = [:]
    private var lanes: [ForwardLane: Int] = [:]

    static let slots = 64
    static let reserve = 16
    static let perLane = 4

    package init() {}

    /// How many slots an attempt takes, which holds its body in memory.
    package static func slots(bytes: Int) -> Int { min(16, 1 + bytes >> 20) }

    package func isFull(_ lane: ForwardLane) -> Bool { lanes[lane] ?? 0 >= Self.perLane }

    /// Whether an attempt may begin.
    package func admits(_ lane: ForwardLane, slots: Int) -> Bool {
        let has = lanes[lane] ?? 0
        guard has == 0 || has + slots <= Self.perLane else { return false }
        if taken + slots <= Self.slots { return true }
        return endpoints[lane.endpoint] == nil && taken + slots <= Self.slots + Self.reserve
    }

    /// Which of some lanes has the next attempt: the first one of those whose endpoint, and that themselves, have the fewest in
    /// flight.
    package func next(of waiting: [ForwardLane]) -> Int? {
        waiting.indices.filter { !isFull(waiting[$0]) }.min { one, other in
            let (one, other) = (waiting[one], waiting[other])
            let (first, second) = (endpoints[one.endpoint] ?? 0, endpoints[other.endpoint] ?? 0)
            return first == second ? (lanes[one] ?? 0) < (lanes[other] ?? 0) : first < second
        }
    }

    package mutating func take(_ lane: ForwardLane, slots: Int) {
        taken += slots
        endpoints[lane.endpoint, default: 0] += slots
        lanes[lane, default: 0] += slots
    }

    package mutating func giveBack(_ lane: ForwardLane, slots: Int) {
        taken -= slots
        let (endpoint, own) = ((endpoints[lane.endpoint] ?? 0) - slots, (lanes[lane] ?? 0) - slots)
        endpoints[lane.endpoint] = endpoint > 0 ? endpoint : nil
        lanes[lane] = own > 0 ? own : nil
    }
}
