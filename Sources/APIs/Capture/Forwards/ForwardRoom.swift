internal import Delivery

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

/// A lane and the host of its URL, which it shares with other lanes.
package struct ForwardTarget: Hashable, Sendable {
    package let lane: ForwardLane
    package let host: String

    package init(lane: ForwardLane, host: String) {
        self.lane = lane
        self.host = host
    }

    /// The host of a URL, by which its attempts are counted; empty if it has none.
    package static func host(of url: String) -> String {
        guard let host = (try? TargetURL(url))?.host else { return "" }
        return host.hasSuffix(".") ? String(host.dropLast()) : host
    }
}

/// How many attempts to forward may be in flight, and how endpoints, their targets and hosts share them.
///
/// The endpoint with the fewest attempts in flight has the next one. Attempts that hang cannot be ended early: so a lane and a
/// host have few, and beyond the slots of all and those of a host there are some for endpoints that have no attempt in
/// flight.
package struct ForwardRoom: Equatable, Sendable {
    private var taken = 0
    private var endpoints: [UInt64: Int] = [:]
    private var lanes: [ForwardLane: Int] = [:]
    private var hosts: [String: Int] = [:]

    static let slots = 64
    static let reserve = 16
    static let perLane = 4
    /// As many as a webhook has.
    static let perHost = DestinationLimits().inFlight
    static let hostReserve = 4

    package init() {}

    /// How many slots an attempt takes, which holds its body in memory.
    package static func slots(bytes: Int) -> Int { min(16, 1 + bytes >> 20) }

    /// Whether no attempt of any lane may begin.
    package var isExhausted: Bool { taken >= Self.slots + Self.reserve }

    /// Whether an attempt of a lane may begin, unless its host has too many.
    package func admits(_ lane: ForwardLane, slots: Int) -> Bool {
        let has = lanes[lane] ?? 0
        guard has == 0 || has + slots <= Self.perLane else { return false }
        return taken + slots <= Self.slots + (hasNone(lane) ? Self.reserve : 0)
    }

    /// Whether an attempt may begin.
    package func admits(_ target: ForwardTarget, slots: Int) -> Bool {
        guard admits(target.lane, slots: slots) else { return false }
        let has = hosts[target.host] ?? 0
        return has == 0 || has + slots <= Self.perHost + (hasNone(target.lane) ? Self.hostReserve : 0)
    }

    private func hasNone(_ lane: ForwardLane) -> Bool { endpoints[lane.endpoint] == nil }

    /// The order in which lanes that wait may begin attempts, with each lane as often as it has room. Endpoints with the fewest
    /// attempts in flight come first, and then each has one after the other.
    ///
    /// It takes no longer with a full room or with many lanes that may not begin.
    package func order(of waiting: [ForwardTarget], limit: Int) -> [ForwardTarget] {
        var targetsOf: [UInt64: ArraySlice<ForwardTarget>] = [:]
        var waitingEndpoints: [UInt64] = []
        for target in waiting where admits(target, slots: 1) {
            let endpoint = target.lane.endpoint
            if targetsOf[endpoint] == nil { waitingEndpoints.append(endpoint) }
            if targetsOf[endpoint, default: []].count < limit { targetsOf[endpoint, default: []].append(target) }
        }
        // A stable order: what waits longest comes first among equals.
        var turns = waitingEndpoints.enumerated().sorted { one, other in
            let (first, second) = (endpoints[one.element] ?? 0, endpoints[other.element] ?? 0)
            return first == second ? one.offset < other.offset : first < second
        }.map(\.element)
        var room = self
        var order: [ForwardTarget] = []
        while !turns.isEmpty, order.count < limit {
            turns = turns.filter { endpoint in
                guard order.count < limit else { return false }
                while let target = targetsOf[endpoint]?.popFirst() {
                    guard room.admits(target, slots: 1) else { continue }
                    room.take(target, slots: 1)
                    order.append(target)
                    targetsOf[endpoint]?.append(target)
                    return true
                }
                return false
            }
        }
        return order
    }

    package mutating func take(_ target: ForwardTarget, slots: Int) {
        taken += slots
        endpoints[target.lane.endpoint, default: 0] += slots
        lanes[target.lane, default: 0] += slots
        hosts[target.host, default: 0] += slots
    }

    package mutating func giveBack(_ target: ForwardTarget, slots: Int) {
        func left(_ count: Int?) -> Int? {
            let left = (count ?? 0) - slots
            return left > 0 ? left : nil
        }
        taken -= slots
        endpoints[target.lane.endpoint] = left(endpoints[target.lane.endpoint])
        lanes[target.lane] = left(lanes[target.lane])
        hosts[target.host] = left(hosts[target.host])
    }
}
