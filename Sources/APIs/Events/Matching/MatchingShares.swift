internal import HTTP
internal import Values

/// How much of the time for matching each owner's expressions have taken of late.
///
/// An owner may take a moment at once, and in the long run a part of all time, which those share who take more than they
/// have. What is left is for the others' events; an owner without time follows behind.
struct MatchingShares {
    /// An owner's debt may come to this much, in seconds.
    private static let burst = 0.02
    /// Of all time, what those may take together who have taken more than the burst.
    private static let part = 0.5

    private var subscriptions: [UUID: Int] = [:]
    private var accounts: [UUID: Account] = [:]
    private var overdrawn: Set<UUID> = []

    private struct Account {
        var seconds: Double
        var time: Timestamp
    }

    /// Whether there is more than one owner: where there is one, it delays nobody but itself.
    var isShared: Bool { subscriptions.count > 1 }

    mutating func add(_ owner: UUID) { subscriptions[owner, default: 0] += 1 }

    mutating func remove(_ owner: UUID) {
        guard let count = subscriptions[owner] else { return }
        subscriptions[owner] = count > 1 ? count - 1 : nil
        guard count <= 1 else { return }
        accounts[owner] = nil
        overdrawn.remove(owner)
    }

    mutating func charge(_ owner: UUID, _ seconds: Double, at now: Timestamp) {
        let debt = debt(of: owner, at: now) + seconds
        accounts[owner] = Account(seconds: debt, time: now)
        if debt > Self.burst { overdrawn.insert(owner) } else { overdrawn.remove(owner) }
    }

    mutating func isOverdrawn(_ owner: UUID, at now: Timestamp) -> Bool {
        guard overdrawn.contains(owner) else { return false }
        if debt(of: owner, at: now) > Self.burst { return true }
        overdrawn.remove(owner)
        return false
    }

    private func debt(of owner: UUID, at now: Timestamp) -> Double {
        guard let account = accounts[owner] else { return 0 }
        let rate = Self.part / Double(max(1, overdrawn.count))
        return max(0, account.seconds - rate * max(0, now.seconds(since: account.time)))
    }
}
