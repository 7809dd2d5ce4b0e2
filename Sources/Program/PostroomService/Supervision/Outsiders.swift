/// Finds processes that are not part of the service, such as commands, and that keep it from working: one that a signal has
/// stopped while it holds a lock, or one whose reading keeps too many pages of the store from being used again.
///
/// Counts looks, as `Watchdog` does.
struct Outsiders {
    /// How such a process may hold up the service.
    enum Hold: Equatable {
        case lock(String)
        case pages(bytes: Int)
    }

    struct Sign: Equatable {
        var processID: Int32
        var hold: Hold
        var isStopped: Bool
    }

    enum Finding: Equatable {
        /// The process must be ended.
        case end(Int32, String)
        /// The process was to end, and has not.
        case kill(Int32)
    }

    /// After how many looks a stopped process that holds a lock is ended.
    private static let stoppedLooks = 6
    /// After how many looks more a process that has not ended is killed.
    private static let endingLooks = 4

    /// For each process, how many looks in a row have found it stopped with a lock.
    private var stopped: [Int32: Int] = [:]
    /// How many looks ago a process was to be ended.
    private var ending: [Int32: Int] = [:]

    /// - Parameter limitBytes: the most that a reader may keep from being used again.
    mutating func look(_ signs: [Sign], limitBytes: Int) -> [Finding] {
        var findings: [Finding] = []
        let held = Set(signs.filter { $0.isStopped && $0.hold.isLock }.map(\.processID))
        stopped = Dictionary(uniqueKeysWithValues: held.map { ($0, (stopped[$0] ?? 0) + 1) })
        let holders = Set(signs.map(\.processID))
        ending = ending.filter { holders.contains($0.key) }
        for sign in signs {
            let processID = sign.processID
            guard let reason = reason(sign, limitBytes) else { continue }
            guard let looks = ending[processID] else {
                ending[processID] = 0
                findings.append(.end(processID, reason))
                continue
            }
            ending[processID] = looks + 1
            if looks + 1 == Self.endingLooks { findings.append(.kill(processID)) }
        }
        return findings
    }

    private func reason(_ sign: Sign, _ limitBytes: Int) -> String? {
        switch sign.hold {
        case .lock(let lock):
            guard stopped[sign.processID, default: 0] >= Self.stoppedLooks else { return nil }
            return "stopped by a signal while it holds the store's \(lock)"
        case .pages(let bytes):
            guard bytes > limitBytes else { return nil }
            return "its reading keeps \(bytes) bytes of the store from being used again"
        }
    }
}

extension Outsiders.Hold {
    fileprivate var isLock: Bool { if case .lock = self { true } else { false } }
}
