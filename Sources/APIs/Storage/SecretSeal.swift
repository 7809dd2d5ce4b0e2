package import Values

/// Identifies the secret that seals the secrets in a store: the store holds a seal, a value that was sealed with it.
package protocol SecretSeal: AnyObject {
    /// The store's seal; `nil` before the first start.
    func seal() async throws(StoreFailure) -> [UInt8]?

    /// Stores a seal if the store has none, and commits.
    /// - Returns: the store's seal: `fresh`, or the one that another process has stored before.
    func seal(ifNone fresh: [UInt8]) async throws(StoreFailure) -> [UInt8]
}
