internal import Glibc
internal import LMDB

/// What is known of a table's entries, in the order of their keys, with the changes that a transaction has made.
///
/// Known are the entries that were read or written, and of some ranges that they have no other entries.
struct CachedTable {
    struct Entry {
        let key: [UInt8]
        /// `nil`: there is no such key.
        var value: [UInt8]?
        /// Whether the database has another value, or none.
        var isChanged: Bool
    }

    private(set) var entries: [Entry] = []
    /// Ranges of which all entries are known, in order and apart from each other.
    private var ranges: [KeyRange] = []
    /// How many entries the table has; `nil` if that is not known.
    var count: Int?

    // MARK: Looking

    /// What is known of a key: a value, `.some(nil)` if there is no such key, `nil` if it is not known.
    func value(at key: [UInt8]) -> [UInt8]?? {
        if let index = index(of: key) { return .some(entries[index].value) }
        return range(containing: key) == nil ? nil : .some(nil)
    }

    private func index(of key: [UInt8]) -> Int? {
        let index = firstIndex(from: key)
        return index < entries.count && entries[index].key == key ? index : nil
    }

    /// The index of the first entry that is not before a key.
    func firstIndex(from key: [UInt8]) -> Int {
        // Keys are often used in their order.
        if let last = entries.last, Self.isBefore(last.key, key) { return entries.count }
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if Self.isBefore(entries[middle].key, key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The known range that a key is in.
    func range(containing key: [UInt8]) -> KeyRange? {
        ranges.last { !Self.isBefore(key, $0.start) && Self.isBefore(key, beforeEnd: $0.end) }
    }

    /// The known range that the keys directly before another one are in; `nil`: directly before the end of all keys.
    func range(endingAt key: [UInt8]?) -> KeyRange? {
        ranges.last { range in
            guard let key else { return range.end == nil }
            return Self.isBefore(range.start, key) && (range.end.map { !Self.isBefore($0, key) } ?? true)
        }
    }

    static func isBefore(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        let count = min(left.count, right.count)
        let order = unsafe left.withUnsafeBytes { left in
            unsafe right.withUnsafeBytes { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return CInt(0) }
                return unsafe memcmp(left, right, count)
            }
        }
        return order == 0 ? left.count < right.count : order < 0
    }

    static func isBefore(_ key: [UInt8], beforeEnd end: [UInt8]?) -> Bool { end.map { isBefore(key, $0) } ?? true }

    // MARK: Learning

    /// Adds an entry of the database, unless a change of it is known.
    mutating func learn(_ value: [UInt8]?, at key: [UInt8]) {
        let index = firstIndex(from: key)
        if index < entries.count, entries[index].key == key {
            if !entries[index].isChanged { entries[index].value = value }
        } else {
            entries.insert(Entry(key: key, value: value, isChanged: false), at: index)
        }
    }

    /// Notes that all entries of a range are known.
    mutating func learn(_ range: KeyRange) {
        var joined = range
        var others: [KeyRange] = []
        for other in ranges {
            let isApart =
                (other.end.map { Self.isBefore($0, joined.start) } ?? false)
                || (joined.end.map { Self.isBefore($0, other.start) } ?? false)
            guard !isApart else {
                others.append(other)
                continue
            }
            if Self.isBefore(other.start, joined.start) { joined.start = other.start }
            if let end = joined.end { joined.end = other.end.map { Self.isBefore(end, $0) ? $0 : end } }
        }
        let index = others.firstIndex { Self.isBefore(joined.start, $0.start) } ?? others.count
        others.insert(joined, at: index)
        ranges = others
    }

    /// Forgets what the database has and can be asked for again.
    mutating func forget() {
        entries.removeAll { !$0.isChanged }
        ranges = []
        count = nil
    }

    // MARK: Changing

    /// - Returns: what was known of the key before, for `undo`.
    mutating func change(_ value: [UInt8]?, at key: [UInt8]) -> Entry? {
        let index = firstIndex(from: key)
        let entry = Entry(key: key, value: value, isChanged: true)
        guard index < entries.count, entries[index].key == key else {
            entries.insert(entry, at: index)
            return nil
        }
        let before = entries[index]
        entries[index] = entry
        return before
    }

    /// Undoes a change.
    /// - Parameter before: what `change` has returned.
    mutating func undo(_ before: Entry?, at key: [UInt8]) {
        guard let index = index(of: key) else { return }
        if let before { entries[index] = before } else { entries.remove(at: index) }
    }

    /// The changes, which count as those of the database from now on.
    mutating func takeChanges() -> [(key: [UInt8], value: [UInt8]?)] {
        var changes: [(key: [UInt8], value: [UInt8]?)] = []
        for index in entries.indices where entries[index].isChanged {
            changes.append((entries[index].key, entries[index].value))
            entries[index].isChanged = false
        }
        return changes
    }
}
