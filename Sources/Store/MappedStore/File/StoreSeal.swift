internal import LMDB
package import Values

/// Records which secret seals the secrets in the store.
extension MappedStore {
    /// The store's seal: a value that was sealed with that secret.
    package func seal() throws(StoreFailure) -> [UInt8]? {
        try read { (transaction) throws(LMDBError) in try tables.seal.value(in: transaction) }
    }

    /// Stores and commits a seal, unless the store has one already.
    /// - Returns: the store's seal: `fresh`, or the one that another process has stored before.
    package func seal(ifNone fresh: [UInt8]) throws(StoreFailure) -> [UInt8] {
        let stored = try write { (transaction) throws(LMDBError) -> [UInt8]? in
            let stored = try tables.seal.value(in: transaction)
            if stored == nil { try tables.seal.put(fresh, in: &transaction) }
            return stored
        }
        if let stored {
            rollBack()
            return stored
        }
        try commit()
        try flush()
        return fresh
    }
}
