package import Values

/// Under which secret the secrets in a store are sealed: the store keeps a seal, something that was sealed under it.
package protocol SecretSeal: AnyObject {
    /// The store's seal; `nil` before the first start.
    func seal() async throws(StoreFailure) -> [UInt8]?

    /// Stores a seal where the store has none, and commits that.
    /// - Returns: the store's seal: `fresh`, or the one that another process has stored before.
    func seal(ifNone fresh: [UInt8]) async throws(StoreFailure) -> [UInt8]
}
