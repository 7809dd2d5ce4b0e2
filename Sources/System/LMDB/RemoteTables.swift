/// Tables of another engine with ordered keys. What is written over `Table` runs on them too.
///
/// A table has the number that `index` has given for its name.
package protocol RemoteTables: AnyObject {
    func index(of name: String) throws(LMDBError) -> UInt32

    /// The value of a key; `nil` if there is no such key.
    func value(at key: [UInt8], in table: UInt32) throws(LMDBError) -> [UInt8]?

    /// Stores a value under a key, replacing the old value if there is one.
    func put(_ value: [UInt8], at key: [UInt8], in table: UInt32) throws(LMDBError)

    /// Removes a key and its value, and returns whether the key existed.
    func remove(_ key: [UInt8], in table: UInt32) throws(LMDBError) -> Bool

    /// How many entries there are.
    func count(in table: UInt32) throws(LMDBError) -> Int

    /// Calls `body` with the entries of a range, lowest key first, until it returns false.
    /// - Parameter backwards: highest key first instead.
    func scan(
        _ range: KeyRange, in table: UInt32, backwards: Bool, _ body: ([UInt8], [UInt8]) -> Bool
    ) throws(LMDBError)
}

/// Keys from `start` on and before `end`, in the order of their bytes.
package struct KeyRange: Hashable, Sendable {
    package var start: [UInt8]
    /// `nil`: all that follow.
    package var end: [UInt8]?

    package init(from start: [UInt8], before end: [UInt8]?) {
        self.start = start
        self.end = end
    }
}
