internal import HTTP
package import Values

/// The keys that sign an owner's deliveries, private halves sealed. The newest key in force signs; for a while the previous
/// one signs too.
package struct Keyring: Equatable, Sendable {
    package struct Key: Equatable, Sendable {
        /// Identifies the key to receivers.
        package let id: String
        /// The algorithm's name as in the settings.
        package let algorithm: String
        /// SubjectPublicKeyInfo (RFC 5280, section 4.1) as PEM.
        package let publicKey: String
        /// PKCS#8, sealed.
        package let sealedPrivateKey: [UInt8]
        package let created: Timestamp
        /// When the key begins to sign, by the time of day.
        package let signsFrom: Timestamp

        package init(
            id: String, algorithm: String, publicKey: String, sealedPrivateKey: [UInt8], created: Timestamp,
            signsFrom: Timestamp
        ) {
            self.id = id
            self.algorithm = algorithm
            self.publicKey = publicKey
            self.sealedPrivateKey = sealedPrivateKey
            self.created = created
            self.signsFrom = signsFrom
        }
    }

    package let number: UInt64
    /// Oldest first; there is at least one.
    package var keys: [Key]

    package init(number: UInt64, keys: [Key]) {
        self.number = number
        self.keys = keys
    }
}
