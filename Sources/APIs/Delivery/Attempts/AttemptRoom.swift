internal import HTTP
package import Values

/// For how many attempts there is room, and how owners share it: environments, and users of event routing.
///
/// One owner alone may have all of it. Where several have something to send, who has the fewest slots gets the next one.
/// Attempts that hang cannot be ended early, so beyond all slots there is a reserve, which only owners take from that have
/// few: one whose deliveries were not many finds a slot at once, though others' attempts hang in all the others.
package struct AttemptRoom: Equatable, Sendable {
    /// Free slots; below 0 as many as are taken of the reserve.
    package var all: Int
    /// Of all, for destinations that somebody must agree for: who answers slowly there leaves room to others.
    package var needingApproval: Int
    /// Places beyond all, for owners that have fewer than `reservedEach`.
    package var reserve: Int
    /// Places that each owner's attempts take, where they take any.
    package private(set) var taken: [UUID: Int] = [:]
    /// Deliveries whose attempts the caller is making, or has made without their results being written.
    package var held: Set<UInt64> = []

    /// As many slots each owner may take of the reserve, those that it has counted.
    package static let reservedEach = 8

    package init(_ all: Int, needingApproval: Int? = nil, reserve: Int = 0) {
        self.all = all
        self.needingApproval = needingApproval ?? all
        self.reserve = reserve
    }

    /// Whether anybody may begin anything.
    package var isExhausted: Bool { all + reserve <= 0 }

    /// Places that an owner has.
    package func slots(of owner: UUID) -> Int { taken[owner] ?? 0 }

    /// Places that each would have were they shared evenly.
    /// - Parameter waiting: owners that have something to send.
    package func share(waiting: some Sequence<UUID>) -> Int {
        let owners = Set(taken.keys).union(waiting).count
        return max(1, (all + taken.values.reduce(0, +)) / max(1, owners))
    }

    /// Places that an owner may take now.
    /// - Parameters:
    ///   - share: no more than this in all, those that it has counted, unless it takes from the reserve.
    package func slots(for owner: UUID, needsApproval: Bool, upTo share: Int = .max) -> Int {
        let free = needsApproval ? min(all, needingApproval) : all
        let has = slots(of: owner)
        if free > 0 { return min(free, max(0, share - has)) }
        return max(0, min(free + reserve, all + reserve, Self.reservedEach - has))
    }

    package mutating func take(_ start: DeliveryStep.Start) {
        all -= start.slots
        if start.destination.approvalPath != nil { needingApproval -= start.slots }
        taken[start.owner, default: 0] += start.slots
    }

    package mutating func giveBack(_ start: DeliveryStep.Start) {
        all += start.slots
        if start.destination.approvalPath != nil { needingApproval += start.slots }
        let left = slots(of: start.owner) - start.slots
        taken[start.owner] = left > 0 ? left : nil
    }
}
