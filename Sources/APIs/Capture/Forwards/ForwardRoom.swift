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

    func isFull(_ lane: ForwardLane) -> Bool { lanes[lane] ?? 0 >= Self.perLane }

    /// Whether no attempt of any lane may begin.
    package var isExhausted: Bool { taken >= Self.slots + Self.reserve }

    /// Whether an attempt may begin.
    package func admits(_ lane: ForwardLane, slots: Int) -> Bool {
        let has = lanes[lane] ?? 0
        guard has == 0 || has + slots <= Self.perLane else { return false }
        if taken + slots <= Self.slots { return true }
        return endpoints[lane.endpoint] == nil && taken + slots <= Self.slots + Self.reserve
    }

    /// The order in which lanes that wait may begin attempts, with each lane as often as it has room. Endpoints with the fewest
    /// attempts in flight come first, and then each has one after the other.
    ///
    /// It takes no longer with a full room or with many lanes that may not begin.
    package func order(of waiting: [ForwardLane], limit: Int) -> [ForwardLane] {
        var lanesOf: [UInt64: [ForwardLane]] = [:]
        var waitingEndpoints: [UInt64] = []
        for lane in waiting where admits(lane, slots: 1) {
            if lanesOf[lane.endpoint] == nil { waitingEndpoints.append(lane.endpoint) }
            if lanesOf[lane.endpoint, default: []].count < limit { lanesOf[lane.endpoint, default: []].append(lane) }
        }
        // A stable order: what waits longest comes first among equals.
        var turns = waitingEndpoints.enumerated().sorted { one, other in
            let (first, second) = (endpoints[one.element] ?? 0, endpoints[other.element] ?? 0)
            return first == second ? one.offset < other.offset : first < second
        }.map(\.element)
        var chosen: [ForwardLane: Int] = [:]
        var order: [ForwardLane] = []
        while !turns.isEmpty, order.count < limit {
            turns = turns.filter { endpoint in
                guard order.count < limit, var own = lanesOf[endpoint], !own.isEmpty else { return false }
                let lane = own.removeFirst()
                order.append(lane)
                chosen[lane, default: lanes[lane] ?? 0] += 1
                if let count = chosen[lane], count < Self.perLane { own.append(lane) }
                lanesOf[endpoint] = own
                return true
            }
        }
        return order
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
