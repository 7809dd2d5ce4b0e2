internal import Gateway

/// The requests that wait for somebody outside to answer, and until when each does.
struct AskingRequests {
    struct Entry {
        let request: Request
        let pending: Pending
        /// By `SystemClock.bootTimeMicroseconds`.
        let until: Int64
    }

    /// Together they hold their bodies in memory, and each one a connection of nginx.
    static let limit = 1000
    /// One question after the other, if there are several. It is less than nginx waits, and than a stop takes.
    private static let microseconds: Int64 = 8_000_000

    private var entries: [UInt64: Entry] = [:]
    /// Nobody's time is up before this.
    private(set) var nextDeadline = Int64.max
    /// A process that stops waits for nobody longer than this.
    private var end = Int64.max

    var isFull: Bool { entries.count >= Self.limit }

    /// Until when a request that begins to wait now does so.
    func deadline(now: Int64) -> Int64 { min(now + Self.microseconds, end) }

    mutating func add(_ entry: Entry, token: UInt64) {
        entries[token] = entry
        nextDeadline = min(nextDeadline, entry.until)
    }

    mutating func remove(_ token: UInt64) { entries[token] = nil }

    /// Has nobody wait any longer than until `time`.
    mutating func end(by time: Int64) {
        end = time
        for (token, entry) in entries {
            add(Entry(request: entry.request, pending: entry.pending, until: min(entry.until, time)), token: token)
        }
    }

    /// Those that need not wait any longer; they are no longer among these.
    /// - Parameter hasNews: whether something has become known.
    mutating func takeOver(hasNews: Bool, now: Int64) -> [(token: UInt64, Entry)] {
        guard !entries.isEmpty, hasNews || now >= nextDeadline else { return [] }
        let over = entries.filter { now >= $0.value.until || hasNews && $0.value.pending.isOver() }
        for token in over.keys { entries[token] = nil }
        nextDeadline = entries.values.reduce(.max) { min($0, $1.until) }
        return over.map { ($0.key, $0.value) }
    }
}
