internal import Delivery
internal import HTTP
internal import LMDB
package import Storage
package import Values

extension OperationalCalls: KeylessRecord {
    typealias Key = RecordName
    static var name: String { "the counters of operational calls" }

    private static let version: UInt8 = 1

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 20)
        writer.byte(Self.version)
        writer.number(successes)
        writer.number(failures)
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let successes = reader.number(), let failures = reader.number() else {
            return nil
        }
        self.init()
        self.successes = successes
        self.failures = failures
    }
}

extension MappedDeliveries {
    package func operationalCalls() throws(StoreFailure) -> OperationalCalls {
        try read { (transaction) throws(LMDBError) in try operationalCalls(in: transaction) }
    }

    private func operationalCalls(in transaction: borrowing Transaction) throws(LMDBError) -> OperationalCalls {
        try tables.operationalCalls.value(in: transaction) ?? OperationalCalls()
    }

    func count(operationalCall attempt: Attempt, in transaction: inout Transaction) throws(LMDBError) {
        var calls = try operationalCalls(in: transaction)
        if attempt.failure == nil { calls.successes &+= 1 } else { calls.failures &+= 1 }
        try tables.operationalCalls.put(calls, in: &transaction)
    }
}
