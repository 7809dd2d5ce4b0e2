package import Capture
internal import HTTP
internal import LMDB
package import Values

/// The requests that endpoints have refused.
extension MappedCapture {
    /// Bytes of records after which no more are returned at once.
    private static let refusedBytes = 256 << 10

    package func keep(
        _ refused: RefusedNotification, at id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) {
        try write(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            guard let endpoint = try current(id, at: moment, limits, in: transaction)?.endpoint.number else { return }
            let stored = Encoded<RefusalRecord>(refused)
            guard try admit(bytes: stored.byteCount, in: &transaction) else { return }
            var kept: [(number: UInt64, bytes: Int)] = []
            try tables.refusals.scan(of: endpoint, from: 0, to: .max, in: transaction) { key, record in
                kept.append((key.number, record.byteCount))
                return true
            }
            let number = (kept.last?.number ?? 0) + 1
            var bytes = kept.reduce(stored.byteCount) { $0 + $1.bytes }
            var dropped = 0
            while dropped < kept.count,
                kept.count - dropped >= RefusedNotification.limit || bytes > RefusedNotification.bytesLimit
            {
                bytes -= kept[dropped].bytes
                dropped += 1
            }
            if dropped > 0 {
                try tables.refusals.remove(of: endpoint, from: 0, to: kept[dropped - 1].number + 1, in: &transaction)
            }
            try tables.refusals.put(stored, of: endpoint, at: number, in: &transaction)
        }
    }

    package func refused(
        at id: Endpoint.ID, _ position: Position, limit: Int, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> [NumberedRefusal]? {
        try read(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            guard let endpoint = try current(id, at: moment, limits, in: transaction)?.endpoint.number else {
                return nil
            }
            var found: [NumberedRefusal] = []
            var bytes = 0
            func take(_ key: OwnedNumber, _ record: RawSpan) -> Bool {
                guard found.count < limit, bytes < Self.refusedBytes else { return false }
                guard let refused = RefusalRecord.decode(record, at: key) else {
                    noteDamage("a refused request's record is damaged: number \(key.number)")
                    return true
                }
                bytes += record.byteCount
                found.append(NumberedRefusal(number: key.number, refused: refused))
                return true
            }
            switch position {
            case .after(let number):
                let first = number == .max ? .max : number + 1
                try tables.refusals.scan(of: endpoint, from: first, to: .max, in: transaction, take)
            case .before(let number):
                try tables.refusals.scanBackwards(of: endpoint, from: 0, to: number, in: transaction, take)
                found.reverse()
            }
            return found
        }
    }
}
