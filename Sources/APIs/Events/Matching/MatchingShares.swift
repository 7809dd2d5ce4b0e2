internal import HTTP
internal import Values

/// How much matching time each owner's expressions have recently used.
///
/// An owner may use a burst at once. In the long run, the owners that exceed their burst share a part of all time. The rest
/// is for the events of the others; the subscriptions of an owner without time lag behind.
struct MatchingShares {
    /// The debt up to which an owner may use time, in seconds.
    private static let burst = 0.02
    /// The part of all time that the owners beyond their burst share.
    private static let part = 0.5

    private var subscriptions: [UUID: Int] = [:]
    private var accounts: [UUID: Account] = [:]
    private var overdrawn: Set<UUID> = []

    private struct Account {
        var seconds: Double
        var time: Timestamp
    }

    /// Whether there is more than one owner. A single owner delays only itself.
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
