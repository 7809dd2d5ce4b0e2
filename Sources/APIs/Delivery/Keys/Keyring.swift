internal import HTTP
package import Values

/// The keys that somebody's deliveries are signed with, private halves sealed. The newest that is in force signs; the one
/// before it signs beside it for a while.
package struct Keyring: Equatable, Sendable {
    package struct Key: Equatable, Sendable {
        /// Names the key to receivers.
        package let id: String
        /// As settings name it.
        package let algorithm: String
        /// SubjectPublicKeyInfo (RFC 5280, section 4.1) as PEM.
        package let publicKey: String
        /// PKCS#8, sealed.
        package let sealedPrivateKey: [UInt8]
        package let created: Timestamp
        /// From when on it signs, by the time of day.
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
