internal import HTTP
internal import Values

/// The requests that wait for a result from outside the store, such as a lookup, each with its deadline.
struct OutsideWaits {
    struct Entry {
        let wakeup: Wakeup
        /// By `SystemClock.bootTimeMicroseconds`.
        var until: Int64
        /// The client's address, as `clientKey` returns it.
        let client: String
        let bodyBytes: Int
    }

    /// How many requests may wait. Each one holds its body in memory, and a connection of nginx.
    static let limit = 2000
    /// How many of them may come from one address.
    static let addressLimit = limit / 2
    /// How many bytes their bodies may have: in all, and for one address.
    static let bodyBytes = 64 << 20
    static let addressBodyBytes = bodyBytes / 2
    /// How long one request may wait in all; several lookups, one after the other, share this time. It is shorter than
    /// nginx's timeout, and than the time for a stop.
    private static let microseconds: Int64 = 8_000_000

    private var entries: [UInt64: Entry] = [:]
    /// No entry's deadline is before this.
    private(set) var nextDeadline = Int64.max
    /// No request waits longer than until this time, once the process stops.
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

    /// The deadline of a request that begins to wait now.
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

    /// Limits all deadlines to `time`, also those of future requests.
    mutating func end(by time: Int64) {
        end = time
        for (token, entry) in entries where entry.until > time { entries[token]?.until = time }
        if !entries.isEmpty { nextDeadline = min(nextDeadline, time) }
    }

    /// Removes and returns the requests whose wait is over.
    /// - Parameter hasNews: whether a source has reported a result.
    /// - Returns: `isDue` is true if the request was woken by what it waits for, false if its time is up.
    mutating func takeOver(hasNews: Bool, now: Int64) -> [(token: UInt64, isDue: Bool)] {
        guard !entries.isEmpty, hasNews || now >= nextDeadline else { return [] }
        let over = entries.filter { $0.value.wakeup.isDue || now >= $0.value.until }
        for token in over.keys { remove(token) }
        nextDeadline = entries.values.reduce(.max) { min($0, $1.until) }
        return over.map { ($0.key, $0.value.wakeup.isDue) }
    }
}
