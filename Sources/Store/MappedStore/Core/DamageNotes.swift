internal import LMDB

/// Reports of damaged records for the log. Each record is reported once.
struct DamageNotes {
    private var known: Set<String> = []
    private var news: [String] = []

    /// The most reports of one process. If there are more, the store as a whole is damaged and needs `postroom store
    /// repair`.
    private static let limit = 1000

    mutating func note(_ what: String) {
        guard known.count < Self.limit, known.insert(what).inserted else { return }
        news.append(what)
    }

    mutating func takeNews() -> [String] {
        defer { news = [] }
        return news
    }
}

extension StoreCore {
    /// Treats a damaged record as missing, so that the others stay usable.
    /// - Parameter what: the record, as the log names it.
    /// - Returns: `nil` if the record is damaged or missing.
    @discardableResult
    func sparing<Value>(
        _ what: @autoclosure () -> String, _ body: () throws(LMDBError) -> Value?
    ) throws(LMDBError) -> Value? {
        do throws(LMDBError) {
            return try body()
        } catch {
            guard error.isRecordDamage else { throw error }
            damage.note("\(error): \(what())")
            return nil
        }
    }
}
