internal import Delivery
internal import LMDB

/// Lines of the log of deliveries had no checksum in layout 3.
extension Tables {
    private static let linesAtOnce = 1024

    /// Writes lines without a checksum again, with one, and the states of destinations that have such lines in them. Those
    /// that cannot be read stay as they are.
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

    /// Puts other values in the place of those that have one.
    /// - Returns: by how many bytes the values are longer now.
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
