package import HTTP
package import Values

/// A cache of lookup results, which also knows the lookups that are pending. It only decides: the caller makes the lookups
/// and passes the time.
package struct LookupCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    package struct Rules: Sendable {
        /// How long a result is fresh: used without another lookup.
        package var freshSeconds: @Sendable (Value) -> Double
        /// How long a result is used if the lookups after it were not answered, counted from when it was found (RFC 5861,
        /// stale-if-error).
        package var staleIfErrorSeconds: @Sendable (Value) -> Double
        /// How long to wait before the next lookup of a key after one was not answered.
        package var retrySeconds: Double
        /// How many lookups may be pending.
        package var pendingLimit: Int
        /// How many results are kept at most; the oldest are dropped for new ones.
        package var resultLimit: Int

        package init(
            freshSeconds: @escaping @Sendable (Value) -> Double,
            staleIfErrorSeconds: @escaping @Sendable (Value) -> Double = { _ in 0 }, retrySeconds: Double = 2,
            pendingLimit: Int, resultLimit: Int = 10_000
        ) {
            self.freshSeconds = freshSeconds
            self.staleIfErrorSeconds = staleIfErrorSeconds
            self.retrySeconds = retrySeconds
            self.pendingLimit = pendingLimit
            self.resultLimit = resultLimit
        }
    }

    private struct Entry {
        var found: (value: Value, at: Timestamp)?
        /// When the last lookup was not answered; `nil` once a lookup has found a result.
        var unansweredAt: Timestamp?
    }

    private let rules: Rules
    private var pending: Set<Key> = []
    /// Two generations: when the newer one is full, it replaces the older one, whose entries are dropped.
    private var newer: [Key: Entry] = [:]
    private var older: [Key: Entry] = [:]

    package init(_ rules: Rules) { self.rules = rules }

    /// - Returns: the result, `nil` while it is pending; and whether the caller is to begin a lookup, which `finish` ends.
    package mutating func find(_ key: Key, at now: Timestamp) -> (result: LookupResult<Value>?, begins: Bool) {
        let entry = newer[key] ?? older[key]
        let sinceRetry = entry?.unansweredAt.map { now.seconds(since: $0) - rules.retrySeconds }
        if let (value, time) = entry?.found {
            let age = now.seconds(since: time)
            if let sinceRetry {
                // The stale result is used while the next lookup runs in the background, so that no request waits for a
                // service that does not answer.
                if age < rules.staleIfErrorSeconds(value) { return (.found(value), sinceRetry >= 0 && begin(key)) }
            } else if age < rules.freshSeconds(value) {
                return (.found(value), false)
            }
        }
        if pending.contains(key) { return (nil, false) }
        if let sinceRetry, sinceRetry < 0 { return (.unanswered, false) }
        return begin(key) ? (nil, true) : (.tooMany, false)
    }

    /// Marks a lookup as pending, for the caller to begin it. False if it is pending already, or too many are.
    private mutating func begin(_ key: Key) -> Bool {
        pending.count < rules.pendingLimit && pending.insert(key).inserted
    }

    /// Ends a lookup.
    /// - Parameter value: the result; `nil` if the lookup was not answered.
    package mutating func finish(_ key: Key, _ value: Value?, at now: Timestamp) {
        pending.remove(key)
        var entry = newer[key] ?? older[key] ?? Entry()
        if let value {
            entry = Entry(found: (value, now))
        } else {
            entry.unansweredAt = now
        }
        if newer[key] == nil, newer.count >= rules.resultLimit / 2 {
            older = newer
            newer = [:]
        }
        newer[key] = entry
    }
}
