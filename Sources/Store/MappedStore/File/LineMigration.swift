internal import Delivery
internal import LMDB

/// Adds the checksums of log entries, which layout 3 did not have.
extension Tables {
    private static let linesAtOnce = 1024

    /// Rewrites log entries without a checksum, and the states of destinations that contain such entries. Entries that
    /// cannot be read are left unchanged.
    func sealLines(in transaction: inout Transaction) throws(LMDBError) {
        let added = try rewrite(attempts.bytes, in: &transaction) { value in
            AttemptRecord.isUnsealed(copy(value)) ? AttemptRecord(value)?.encoded : nil
        }
        _ = try rewrite(destinationStates.bytes, in: &transaction) { value in DestinationState(value)?.encoded }
        guard added > 0,
            var state = try deliveryState.value(in: transaction)
        else { return }
        state.bytes += added
        try deliveryState.put(state, in: &transaction)
    }

    /// Replaces the values for which `other` returns another one.
    /// - Returns: by how many bytes the values grew.
    private func rewrite(
        _ table: Table, in transaction: inout Transaction, _ other: (RawSpan) -> [UInt8]?
    ) throws(LMDBError) -> UInt64 {
        var added: UInt64 = 0
        var start: [UInt8] = []
        while true {
            var changed: [(key: [UInt8], value: [UInt8])] = []
            var (seen, last): (Int, [UInt8]) = (0, [])
            try table.scan(from: start, in: transaction) { key, value in
                (seen, last) = (seen + 1, copy(key))
                if let other = other(value), other != copy(value) {
                    changed.append((last, other))
                    added += UInt64(max(0, other.count - value.byteCount))
                }
                return seen < Self.linesAtOnce
            }
            for (key, value) in changed { try table.put(value, at: key, in: &transaction) }
            guard seen == Self.linesAtOnce else { return added }
            start = last + [0]
        }
    }
}
