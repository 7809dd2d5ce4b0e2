internal import HTTP
internal import Values

/// The requests that wait for somebody outside to answer, and until when each does.
struct OutsideWaits {
    struct Entry {
        let wakeup: Wakeup
        /// By `SystemClock.bootTimeMicroseconds`.
        var until: Int64
        /// Whose request it is, as `clientKey` has it.
        let client: String
        let bodyBytes: Int
    }

    /// Together they hold their bodies in memory, and each one a connection of nginx.
    static let limit = 2000
    /// Of them, one address has no more than these.
    static let addressLimit = limit / 2
    /// What their bodies may have in all, and those of one address.
    static let bodyBytes = 64 << 20
    static let addressBodyBytes = bodyBytes / 2
    /// One question after the other, if there are several. It is less than nginx waits, and than a stop takes.
    private static let microseconds: Int64 = 8_000_000

    private var entries: [UInt64: Entry] = [:]
    /// Nobody's time is up before this.
    private(set) var nextDeadline = Int64.max
    /// A process that stops waits for nobody longer than this.
    private var end = Int64.max

    private var bytes = 0
    private var byAddress: [String: (count: Int, bytes: Int)] = [:]

    /// Whether one more may wait.
    func hasRoom(for client: String, bodyBytes more: Int) -> Bool {
        let own = byAddress[client] ?? (0, 0)
        return entries.count < Self.limit && own.count < Self.addressLimit && bytes + more <= Self.bodyBytes
            && own.bytes + more <= Self.addressBodyBytes
    }

    private mutating func count(_ entry: Entry, _ sign: Int) {
        bytes += sign * entry.bodyBytes
        var own = byAddress[entry.client] ?? (0, 0)
        own.count += sign
        own.bytes += sign * entry.bodyBytes
        byAddress[entry.client] = own.count > 0 ? own : nil
    }

    /// Until when a request that begins to wait now may do so.
    func deadline(now: Int64) -> Int64 { min(now + Self.microseconds, end) }

    mutating func add(_ entry: Entry, token: UInt64) {
        remove(token)
        entries[token] = entry
        count(entry, 1)
        nextDeadline = min(nextDeadline, entry.until)
    }

    mutating func remove(_ token: UInt64) {
        if let entry = entries.removeValue(forKey: token) { count(entry, -1) }
    }

    /// Has nobody wait any longer than until `time`.
    mutating func end(by time: Int64) {
        end = time
        for (token, entry) in entries where entry.until > time { entries[token]?.until = time }
        if !entries.isEmpty { nextDeadline = min(nextDeadline, time) }
    }

    /// Those that need not wait any longer; they are no longer among these.
    /// - Parameter hasNews: whether something has become known.
    /// - Returns: with whether that was what they wait for.
    mutating func takeOver(hasNews: Bool, now: Int64) -> [(token: UInt64, isDue: Bool)] {
        guard !entries.isEmpty, hasNews || now >= nextDeadline else { return [] }
        let over = entries.filter { $0.value.wakeup.isDue || now >= $0.value.until }
        for token in over.keys { remove(token) }
        nextDeadline = entries.values.reduce(.max) { min($0, $1.until) }
        return over.map { ($0.key, $0.value.wakeup.isDue) }
    }
}
