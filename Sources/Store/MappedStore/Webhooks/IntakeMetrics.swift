internal import HTTP
internal import LMDB
package import Storage
package import Values

extension IntakeMetrics: KeylessRecord {
    typealias Key = RecordName
    static var name: String { "the metrics of intake" }

    private static let version: UInt8 = 1

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 20)
        writer.byte(Self.version)
        writer.number(unreadable)
        writer.number(ofUnknownEnvironments)
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let unreadable = reader.number(), let unknown = reader.number() else {
            return nil
        }
        self.init()
        self.unreadable = unreadable
        ofUnknownEnvironments = unknown
    }
}

extension MappedWebhooks {
    /// Adds to the stored counts of events that were left out.
    package func count(_ leftOut: IntakeMetrics) throws(StoreFailure) {
        guard leftOut != IntakeMetrics() else { return }
        try write { (transaction) throws(LMDBError) in
            var sum = try intakeMetrics(in: transaction)
            sum.unreadable &+= leftOut.unreadable
            sum.ofUnknownEnvironments &+= leftOut.ofUnknownEnvironments
            try tables.intakeMetrics.put(sum, in: &transaction)
        }
    }

    func intakeMetrics(in transaction: borrowing Transaction) throws(LMDBError) -> IntakeMetrics {
        try tables.intakeMetrics.value(in: transaction) ?? IntakeMetrics()
    }
}
