internal import Linux
internal import SystemPackage

/// What the supervisor and the processes that it starts share: the processes' heartbeats, and how often one was started
/// again. All of it is in memory, and begins anew with the supervisor.
struct Vitals {
    enum Cause: Int, CaseIterable {
        /// It ended by itself, or was ended by somebody else.
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
    /// The format, then the restarts, then two numbers for each process.
    private static let firstSlot = 16
    private static let slots = 1024
    /// The descriptor that a process which is started has it under.
    static let childDescriptor: Int32 = 4

    init() throws(Errno) {
        counters = try SharedNumbers(count: Self.firstSlot + 2 * Self.slots)
        counters[0] = Self.format
    }

    /// Takes over what another process has made; `nil` where that was another version, which has another format.
    init?(_ descriptor: FileDescriptor) {
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

    func heartbeat(_ slot: Int) -> Heartbeat? {
        guard (0..<Self.slots).contains(slot) else { return nil }
        return Heartbeat(counters, at: Self.index(slot))
    }

    func beats(_ slot: Int) -> UInt64 { counters[Self.index(slot)] }

    func isWaiting(_ slot: Int) -> Bool { counters[Self.index(slot) + 1] != 0 }

    /// A slot that none of these has, cleared; `nil` where all are taken.
    func freeSlot(besides taken: Set<Int>) -> Int? {
        guard let slot = (0..<Self.slots).first(where: { !taken.contains($0) }) else { return nil }
        counters[Self.index(slot)] = 0
        counters[Self.index(slot) + 1] = 0
        return slot
    }
}
