internal import LMDB
package import Values

/// Under which secret the secrets in the store are sealed.
extension MappedStore {
    /// Whether it is known under which secret this store's secrets are sealed.
    package func isSealed() throws(StoreFailure) -> Bool {
        try read { (transaction) throws(LMDBError) in try tables.seal.exists(in: transaction) }
    }

    /// Notes under which secret this store's secrets are sealed, by something sealed under it.
    /// - Parameters:
    ///   - isOurs: whether what is there was sealed under the secret in force.
    ///   - make: seals something under it, for a store that has none yet.
    /// - Returns: false where it was another secret; then nothing is written.
    package func claimSeal(isOurs: ([UInt8]) -> Bool, make: () -> [UInt8]) throws(StoreFailure) -> Bool {
        let found = try read { (transaction) throws(LMDBError) in
            try tables.seal.value(in: transaction)
        }
        if let found { return isOurs(found) }
        // Two first starts may have found nothing: the second one compares with what the first one wrote meanwhile.
        let meanwhile = try write { (transaction) throws(LMDBError) -> [UInt8]? in
            let found = try tables.seal.value(in: transaction)
            if found == nil { try tables.seal.put(make(), in: &transaction) }
            return found
        }
        if let meanwhile {
            rollBack()
            return isOurs(meanwhile)
        }
        try commit()
        try settle()
        return true
    }
}
