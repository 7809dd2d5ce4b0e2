package import Cryptography
internal import Encodings
internal import Values

/// A stored password: `TYPE;SALT;VALUE`.
package struct PasswordHash: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// The value is the password; the salt is ignored.
        case plain
        /// The value is the digest of password and salt, in this order, in lower-case hexadecimal.
        case digest(DigestAlgorithm)
        /// The value is 32 bytes of Argon2id (RFC 9106) in lower-case hexadecimal, with the cost
        /// `Argon2id.Cost.standard`; or an encoded hash, beginning with `$argon2id$`, which has its own salt and cost,
        /// and the salt before it is ignored.
        case argon2id
    }

    /// The hash as stored.
    package let text: String
    package let kind: Kind
    let salt: [UInt8]
    let value: [UInt8]

    /// - Parameter text: without two semicolons, or with an unknown type, the result is `nil`.
    package init?(_ text: String) {
        // A plain password may contain semicolons. The text is split by bytes, because an accent at the start of a password
        // forms one character with the semicolon before it.
        let parts = text.utf8.split(
            separator: UInt8(ascii: ";"), maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let kind = Kind(String(Substring(parts[0]))) else { return nil }
        self.text = text
        self.kind = kind
        salt = Array(parts[1])
        value = Array(parts[2])
    }

    /// Hashes a password under a new salt.
    /// - Returns: `nil` if there is not enough memory.
    package init?(_ password: [UInt8], _ kind: Kind, random: inout some RandomNumberGenerator) {
        let salt = hexadecimal([UInt8](randomCount: 16, using: &random))
        guard let value = Self.value(kind, password, Array(salt.utf8)) else { return nil }
        self.init("\(kind.name);\(salt);\(String(decoding: value, as: UTF8.self))")
    }

    private static func value(_ kind: Kind, _ password: [UInt8], _ salt: [UInt8]) -> [UInt8]? {
        switch kind {
        case .plain: password
        case .digest(let algorithm): Array(hexadecimal(algorithm.digest(of: password + salt)).utf8)
        case .argon2id: Argon2id.hash(password, salt: salt).map { Array(hexadecimal($0).utf8) }
        }
    }

    /// Whether this is the hash of the password. The time that it takes does not reveal how much of the password is right.
    package func accepts(_ password: [UInt8]) -> Bool {
        if kind == .argon2id, value.starts(with: "$".utf8) {
            return Argon2id.verify(password, encoded: String(decoding: value, as: UTF8.self))
        }
        guard let wanted = Self.value(kind, password, salt) else { return false }
        return isEqualInConstantTime(wanted, value)
    }

    /// The cost of checking a password: hashes with equal values take the same work.
    package var work: String {
        guard kind == .argon2id, value.starts(with: "$".utf8) else { return kind.name }
        // The type, the version and the parameters.
        let parts = String(decoding: value, as: UTF8.self).split(separator: "$", maxSplits: 3)
        return "\(kind.name) \(parts.prefix(3).joined(separator: " "))"
    }

    /// Whether any password can have this hash. Others can be configured for users who must not log in.
    var isUsable: Bool {
        let digits = value.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
        switch kind {
        case .plain: return true
        case .digest(let algorithm): return digits && value.count == 2 * algorithm.byteCount
        case .argon2id: return value.starts(with: "$argon2id$".utf8) || (digits && value.count == 64 && salt.count >= 8)
        }
    }
}

extension PasswordHash.Kind {
    package init?(_ name: String) {
        switch name {
        case "plain": self = .plain
        case "argon2id": self = .argon2id
        default:
            guard let algorithm = DigestAlgorithm(rawValue: name) else { return nil }
            self = .digest(algorithm)
        }
    }

    package var name: String {
        switch self {
        case .plain: "plain"
        case .digest(let algorithm): algorithm.rawValue
        case .argon2id: "argon2id"
        }
    }
}
