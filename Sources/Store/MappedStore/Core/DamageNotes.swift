internal import LMDB

/// What was found damaged and done without, each told once.
struct DamageNotes {
    private var known: Set<String> = []
    private var news: [String] = []

    /// More than this are not told of: the store as a whole is at fault then, and its check tells of all.
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
    /// Does without a record that is damaged: the others have nothing to do with it.
    /// - Parameter what: which one it is.
    /// - Returns: `nil` where it is damaged, as where it is not there.
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
