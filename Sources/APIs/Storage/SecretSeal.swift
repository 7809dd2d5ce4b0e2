package import Values

/// Under which secret the secrets in a store are sealed.
package protocol SecretSeal: AnyObject {
    /// Whether it is known under which secret this store's secrets are sealed.
    func isSealed() throws(StoreFailure) -> Bool

    /// Notes under which secret this store's secrets are sealed, by something sealed under it. Commits that.
    /// - Parameters:
    ///   - isOurs: whether what is there was sealed under the secret in force.
    ///   - make: seals something under it, for a store that has none yet.
    /// - Returns: false where it was another secret; then nothing is written.
    func claimSeal(isOurs: ([UInt8]) -> Bool, make: () -> [UInt8]) throws(StoreFailure) -> Bool
}
