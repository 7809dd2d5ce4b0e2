internal import HTTP
internal import LMDB
internal import Values

/// A part of the store with operations of its own. Most members here forward to those of `StoreCore` with the same name.
protocol MappedDomain {
    var core: StoreCore { get }
}

extension MappedDomain {
    var tables: Tables { core.tables }

    func read<Result>(
        of subject: @autoclosure () -> String? = nil,
        _ body: (borrowing Transaction) throws(LMDBError) -> Result
    ) throws(StoreFailure) -> Result { try core.read(of: subject(), body) }

    func write<Result>(
        of subject: @autoclosure () -> String? = nil,
        _ body: (inout Transaction) throws(LMDBError) -> Result
    ) throws(StoreFailure) -> Result { try core.write(of: subject(), body) }

    /// Writes something that may grow the file. `body` returns `nil`, before it has written anything, if there is no room;
    /// this then throws `.full`.
    /// - Parameter subject: as in `write`.
    func growing<Result>(
        of subject: @autoclosure () -> String? = nil,
        _ body: (inout Transaction) throws(LMDBError) -> Result?
    ) throws(StoreFailure) -> Result {
        guard let result = try core.write(of: subject(), body) else { throw .full }
        return result
    }

    func admit(
        bytes: Int, largest: Int? = nil, leaving: Int = DiskReserve.deliveryBytes,
        in transaction: inout Transaction
    ) throws(LMDBError) -> Bool {
        try core.admit(bytes: bytes, largest: largest, leaving: leaving, in: &transaction)
    }

    @discardableResult
    func sparing<Value>(
        _ what: @autoclosure () -> String, _ body: () throws(LMDBError) -> Value?
    ) throws(LMDBError) -> Value? { try core.sparing(what(), body) }

    func noteDamage(_ what: String) { core.damage.note(what) }

    func outcome(of request: RequestID?, in transaction: borrowing Transaction) throws(LMDBError) -> Outcome? {
        try core.outcome(of: request, in: transaction)
    }

    func remember(
        _ outcome: Outcome, of request: RequestID?, in transaction: inout Transaction
    ) throws(LMDBError) { try core.remember(outcome, of: request, in: &transaction) }
}
