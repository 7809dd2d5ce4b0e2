internal import Linux

/// Finds processes whose loop no longer turns. A process that is stopped may hold the store's write lock, and then all
/// others wait for it.
///
/// The watchdog counts looks, which are half a second or more apart, and not time: a pause of the whole machine or of the
/// supervisor does not count as silence of the processes.
struct Watchdog {
    /// What one look finds out about a process.
    struct Sign: Equatable {
        /// How often its loop has turned; 0 while it starts.
        var beats: UInt64
        var isWaitingForLock: Bool
        var status: ProcessStatus
    }

    enum Finding: Equatable {
        case well
        /// The process must be ended: for how long it was silent, and what it was doing.
        case stuck(seconds: Double, String)
    }

    static let lookMilliseconds: Int64 = 500
    /// After how many looks a process counts as stuck: `stoppedLooks` if a signal has stopped it, as it may hold a lock that
    /// all others wait for; `idleLooks` if it sleeps, `busyLooks` if it still works on the same turn or waits for a device. `busyLooks` is large because a long step is not a fault, and because killing
    /// a process that waits for the disk has no effect.
    private static let stoppedLooks = 6
    private static let idleLooks = 16
    private static let busyLooks = 120

    private struct Record {
        var sign: Sign
        var stopped = 0
        var idle = 0
        var silent = 0
    }

    private var records: [Int32: Record] = [:]

    /// Compares a process with what the last look found.
    /// - Parameter processID: the process that `sign` describes.
    mutating func look(at processID: Int32, _ sign: Sign) -> Finding {
        guard var record = records[processID] else {
            records[processID] = Record(sign: sign)
            return .well
        }
        defer { records[processID] = record }
        let before = record.sign
        record.sign = sign
        let isStopped = sign.status.state == UInt8(ascii: "T")
        record.stopped = isStopped ? record.stopped + 1 : 0
        if record.stopped >= Self.stoppedLooks { return Self.stuck(record.stopped, "stopped by a signal") }
        guard sign.beats == before.beats, sign.beats > 0, !sign.isWaitingForLock, !isStopped else {
            (record.idle, record.silent) = (0, 0)
            return .well
        }
        let isBusy =
            sign.status.processorTicks != before.status.processorTicks
            || [UInt8(ascii: "R"), UInt8(ascii: "D"), UInt8(ascii: "t")].contains(sign.status.state)
        record.silent += 1
        record.idle = isBusy ? 0 : record.idle + 1
        if record.idle >= Self.idleLooks { return Self.stuck(record.idle, "asleep in the middle of its work") }
        if record.silent >= Self.busyLooks { return Self.stuck(record.silent, "busy without making progress") }
        return .well
    }

    private static func stuck(_ looks: Int, _ what: String) -> Finding {
        .stuck(seconds: Double(looks) * Double(lookMilliseconds) / 1000, what)
    }

    /// Forgets all processes but these.
    mutating func forgetAll(but processIDs: Set<Int32>) { records = records.filter { processIDs.contains($0.key) } }
}
