internal import HTTP
package import Values

/// How many attempts may be in flight, and how owners (environments, and users of event routing) share the slots.
///
/// A single owner may use all slots. When several owners have something to send, the one with the fewest slots gets the next
/// slot. Attempts that hang cannot be ended early, so there is a reserve beyond all slots, for owners that have few: an
/// owner with few deliveries gets a slot at once even while the attempts of others hang in all the other slots.
package struct AttemptRoom: Equatable, Sendable {
    /// Free slots. A negative value is the number of slots taken from the reserve.
    package var all: Int
    /// How many of the free slots may go to destinations that need approval: a slow policy service leaves slots to others.
    package var needingApproval: Int
    /// Slots beyond `all`, for owners that have fewer than `reservedEach`.
    package var reserve: Int
    /// Slots that each owner's attempts use; owners without attempts are absent.
    package private(set) var taken: [UUID: Int] = [:]
    /// Deliveries that the caller is attempting, or has attempted without having written the results yet.
    package var held: Set<UInt64> = []

    /// An owner may take slots from the reserve up to this total, its other slots included.
    package static let reservedEach = 8

    package init(_ all: Int, needingApproval: Int? = nil, reserve: Int = 0) {
        self.all = all
        self.needingApproval = needingApproval ?? all
        self.reserve = reserve
    }

    /// Whether no owner may begin an attempt.
    package var isExhausted: Bool { all + reserve <= 0 }

    /// The slots that an owner uses.
    package func slots(of owner: UUID) -> Int { taken[owner] ?? 0 }

    /// The slots that each owner would have if they were shared evenly.
    /// - Parameter waiting: the owners that have something to send.
    package func share(waiting: some Sequence<UUID>) -> Int {
        let owners = Set(taken.keys).union(waiting).count
        return max(1, (all + taken.values.reduce(0, +)) / max(1, owners))
    }

    /// The slots that an owner may take now.
    /// - Parameters:
    ///   - share: the owner's limit, the slots that it already uses included; the reserve is not subject to it.
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
