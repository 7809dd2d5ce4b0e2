package import Linux
package import SystemPackage

/// Memory that the supervisor shares with the processes that it starts: their heartbeats, and how often processes were
/// restarted. It is not on the disk, and starts empty with each new supervisor process.
package struct Vitals {
    enum Cause: Int, CaseIterable {
        /// It ended by itself, or something other than the supervisor ended it.
        case ended
        /// Its loop did not turn, and the supervisor has ended it.
        case stuck

        var word: String { self == .ended ? "ended" : "stuck" }
    }

    enum Role: Int, CaseIterable {
        case responder
        case worker
        case nginx

        var word: String { ["responder", "worker", "nginx"][rawValue] }
    }

    let counters: SharedNumbers

    private static let format: UInt64 = 1
    /// The first number is the format; then come the restarts, and from here on two numbers for each slot: its beats, and
    /// whether it waits for the store's write lock.
    private static let firstSlot = 16
    private static let slots = 1024
    /// The descriptor of this memory in the processes that the supervisor starts.
    package static let childDescriptor: Int32 = 4

    init() throws(Errno) {
        counters = try SharedNumbers(count: Self.firstSlot + 2 * Self.slots)
        counters[0] = Self.format
    }

    /// Maps memory that another process has made; `nil` if that fails, or if another version has made it in another format.
    package init?(_ descriptor: FileDescriptor) {
        guard let counters = try? SharedNumbers(mapping: descriptor),
            counters.count == Self.firstSlot + 2 * Self.slots, counters[0] == Self.format
        else { return nil }
        self.counters = counters
    }

    private static func index(_ role: Role, _ cause: Cause) -> Int {
        1 + role.rawValue * Cause.allCases.count + cause.rawValue
    }

    func countRestart(_ role: Role, _ cause: Cause) { counters.add(at: Self.index(role, cause)) }

    func restarts(_ role: Role, _ cause: Cause) -> UInt64 { counters[Self.index(role, cause)] }

    // MARK: Heartbeats

    private static func index(_ slot: Int) -> Int { firstSlot + 2 * slot }

    package func heartbeat(_ slot: Int) -> Heartbeat? {
        guard (0..<Self.slots).contains(slot) else { return nil }
        return Heartbeat(counters, at: Self.index(slot))
    }

    func beats(_ slot: Int) -> UInt64 { counters[Self.index(slot)] }

    func isWaiting(_ slot: Int) -> Bool { counters[Self.index(slot) + 1] != 0 }

    /// A slot that is not in `taken`, with its numbers set to 0; `nil` if all are taken.
    func freeSlot(besides taken: Set<Int>) -> Int? {
        guard let slot = (0..<Self.slots).first(where: { !taken.contains($0) }) else { return nil }
        counters[Self.index(slot)] = 0
        counters[Self.index(slot) + 1] = 0
        return slot
    }
}
