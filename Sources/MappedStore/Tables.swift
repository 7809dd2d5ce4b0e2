internal import LMDB

/// The named databases of the store. Keys are numbers of eight bytes, unless said otherwise.
struct Tables {
    /// Single records by name.
    let meta: Table
    /// Endpoint number: `EndpointRecord`.
    let endpoints: Table
    /// Endpoint id (24 bytes): endpoint number.
    let endpointIDs: Table
    /// Time of use, endpoint number: nothing. Each endpoint once, at its last use or before.
    let endpointUses: Table
    /// Endpoint number, sequence number: `NotificationRecord`.
    let notifications: BoundedLog
    /// Milliseconds and 16 bytes of request id: `Outcome`.
    let requests: RecentRequests

    static let schemaKey = Array("schema".utf8)
    static let clockKey = Array("clock".utf8)
    static let captureKey = Array("capture".utf8)
    static let touchKey = Array("touch".utf8)

    init(creating: Bool, in transaction: borrowing Transaction) throws(LMDBError) {
        meta = try Table("meta", creating: creating, in: transaction)
        endpoints = try Table("endpoints", creating: creating, in: transaction)
        endpointIDs = try Table("endpoint-ids", creating: creating, in: transaction)
        endpointUses = try Table("endpoint-uses", creating: creating, in: transaction)
        notifications = BoundedLog(table: try Table("notifications", creating: creating, in: transaction))
        requests = RecentRequests(table: try Table("requests", creating: creating, in: transaction))
    }

    /// Writes the layout's version into a new store, and refuses one that is newer than this program.
    func claimSchema(in transaction: inout Transaction) throws(LMDBError) {
        if try !meta.contains(Self.schemaKey, in: transaction) {
            try meta.put(key(MappedStore.schemaVersion), at: Self.schemaKey, in: &transaction)
        }
        try checkSchema(in: transaction)
    }

    func checkSchema(in transaction: borrowing Transaction) throws(LMDBError) {
        let found = try meta.value(at: Self.schemaKey, in: transaction) { span in
            var reader = ByteReader(span)
            return reader.fixed()
        }
        guard let version = found ?? nil else { throw .damaged("the schema's version") }
        guard (1...MappedStore.schemaVersion).contains(version) else {
            throw .unknownVersion(
                "schema version \(version), while this program knows none but \(MappedStore.schemaVersion)")
        }
    }
}
