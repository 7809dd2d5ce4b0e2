internal import CArgon2

/// Hashes passwords with Argon2id (RFC 9106), version 0x13, which is slow and uses much memory on purpose.
package enum Argon2id {
    package struct Cost: Sendable, Equatable {
        /// At least 8 for each lane.
        package var memoryKiB: UInt32
        package var passes: UInt32
        /// Each lane is computed by a separate thread.
        package var lanes: UInt32

        package init(memoryKiB: UInt32, passes: UInt32, lanes: UInt32) {
            self.memoryKiB = memoryKiB
            self.passes = passes
            self.lanes = lanes
        }

        /// The second of the minimum configurations in OWASP's Password Storage Cheat Sheet.
        package static let standard = Cost(memoryKiB: 19456, passes: 2, lanes: 1)
    }

    /// - Returns: `nil` if libargon2 refuses: a salt under 8 bytes, a hash under 4, a cost out of range, or no memory.
    package static func hash(
        _ password: [UInt8], salt: [UInt8], _ cost: Cost = .standard, byteCount: Int = 32
    ) -> [UInt8]? {
        guard byteCount > 0 else { return nil }
        var hash = [UInt8](repeating: 0, count: byteCount)
        let code = unsafe argon2id_hash_raw(
            cost.passes, cost.memoryKiB, cost.lanes, password, password.count, salt, salt.count, &hash, byteCount)
        return code == ARGON2_OK.rawValue ? hash : nil
    }

    /// - Parameter encoded: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`, from a trusted source, as it determines the cost.
    /// - Returns: false also for a text of another form.
    package static func verify(_ password: [UInt8], encoded: String) -> Bool {
        // C would read the text only up to its first NUL.
        guard !encoded.utf8.contains(0) else { return false }
        return unsafe argon2id_verify(encoded, password, password.count) == ARGON2_OK.rawValue
    }
}
