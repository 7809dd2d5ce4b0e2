internal import CArgon2

/// The hash of a password, slow on purpose and in much memory (RFC 9106), at version 0x13.
package enum Argon2id {
    package struct Cost: Sendable, Equatable {
        /// At least 8 for each lane.
        package var memoryKiB: UInt32
        package var passes: UInt32
        /// Each is computed by a thread of its own.
        package var lanes: UInt32

        package init(memoryKiB: UInt32, passes: UInt32, lanes: UInt32) {
            self.memoryKiB = memoryKiB
            self.passes = passes
            self.lanes = lanes
        }

        /// OWASP, Password Storage Cheat Sheet: the second of its minimum configurations.
        package static let standard = Cost(memoryKiB: 19456, passes: 2, lanes: 1)
    }

    /// - Returns: `nil` where libargon2 refuses: a salt under 8 bytes, a hash under 4, a cost out of range, or no memory.
    package static func hash(
        _ password: [UInt8], salt: [UInt8], _ cost: Cost = .standard, byteCount: Int = 32
    ) -> [UInt8]? {
        guard byteCount > 0 else { return nil }
        var hash = [UInt8](repeating: 0, count: byteCount)
        let code = unsafe argon2id_hash_raw(
            cost.passes, cost.memoryKiB, cost.lanes, password, password.count, salt, salt.count, &hash, byteCount)
        return code == ARGON2_OK.rawValue ? hash : nil
    }

    /// - Parameter encoded: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, from a source that may be trusted with its cost.
    /// - Returns: false also for a text of another form.
    package static func verify(_ password: [UInt8], encoded: String) -> Bool {
        // To C the text would end at its first NUL.
        guard !encoded.utf8.contains(0) else { return false }
        return unsafe argon2id_verify(encoded, password, password.count) == ARGON2_OK.rawValue
    }
}
