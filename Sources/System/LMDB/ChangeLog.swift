internal import CLMDB

/// The changes that a write transaction has made, in order, in a form that can be stored and made again.
///
/// The format: for each change a byte (1: put, 2: remove), the table's number in a byte, the length of the key, the key,
/// and for a put the length of the value and the value. Lengths take one byte for every seven bits (LEB128).
package final class ChangeLog {
    package private(set) var bytes: [UInt8] = []
    /// Whether there were more changes than the limit allows. Then `bytes` has none.
    package private(set) var isTooLong = false
    private var limitBytes = 0
    /// The tables that the changes are made in.
    package private(set) var tables: Set<UInt8> = []

    private static let put: UInt8 = 1
    private static let remove: UInt8 = 2

    package init() {}

    /// Begins anew.
    /// - Parameter limitBytes: the most bytes to record.
    package func clear(limitBytes: Int) {
        self.limitBytes = limitBytes
        isTooLong = false
        bytes.removeAll(keepingCapacity: bytes.count < 1 << 20)
        tables.removeAll(keepingCapacity: true)
    }

    func put(_ value: [UInt8], at key: [UInt8], in table: UInt32) {
        guard begin(Self.put, key, table, valueBytes: value.count) else { return }
        append(length: value.count)
        bytes += value
    }

    func remove(_ key: [UInt8], in table: UInt32) { _ = begin(Self.remove, key, table, valueBytes: 0) }

    /// - Returns: false if the change is not recorded.
    private func begin(_ kind: UInt8, _ key: [UInt8], _ table: UInt32, valueBytes: Int) -> Bool {
        if !isTooLong, bytes.count + key.count + valueBytes + 16 > limitBytes {
            isTooLong = true
            bytes = []
        }
        guard !isTooLong else { return false }
        let table = UInt8(table)
        tables.insert(table)
        bytes.append(kind)
        bytes.append(table)
        append(length: key.count)
        bytes += key
        return true
    }

    private func append(length: Int) {
        var rest = length
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// Makes stored changes again. A key that is to be removed and does not exist is left out.
    /// - Parameters:
    ///   - tables: the tables, by the numbers that they had.
    /// - Throws: `damaged` if the bytes are not those of changes.
    package static func apply(
        _ changes: ArraySlice<UInt8>, tables: [UInt8: Table], in transaction: inout Transaction
    ) throws(LMDBError) {
        var reader = Reader(rest: changes)
        while !reader.rest.isEmpty {
            guard let kind = reader.byte(), let number = reader.byte(), let table = tables[number],
                let key = reader.counted()
            else { throw .damaged("a change in the journal") }
            switch kind {
            case put:
                guard let value = reader.counted() else { throw .damaged("a change in the journal") }
                try table.put(value, at: key, in: &transaction)
            case remove: try table.remove(key, in: &transaction)
            default: throw .damaged("a change in the journal")
            }
        }
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func byte() -> UInt8? { rest.popFirst() }

        mutating func counted() -> [UInt8]? {
            var count = 0
            for shift in stride(from: 0, through: 28, by: 7) {
                guard let next = byte() else { return nil }
                count |= Int(next & 0x7f) << shift
                guard next < 0x80 else { continue }
                guard count <= rest.count else { return nil }
                defer { rest = rest.dropFirst(count) }
                return Array(rest.prefix(count))
            }
            return nil
        }
    }
}
