package import LMDB
internal import SystemPackage
package import Values

/// Why a store cannot be opened, for its operator.
package struct StoreError: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// Whether the file itself is damaged; false for every other cause.
    package let isDamage: Bool

    /// Whether the store has an older layout and cannot be migrated because other processes have it open.
    package let awaitsMigration: Bool
    /// Whether the store has to be recovered, once all processes that have it open have ended.
    package let awaitsRecovery: Bool

    init(_ error: LMDBError, _ path: FilePath) {
        isDamage = error.isDamage
        awaitsMigration = false
        awaitsRecovery = false
        description = "\(path): \(error)"
    }

    package init(_ description: String) {
        self.description = description
        isDamage = false
        awaitsMigration = false
        awaitsRecovery = false
    }

    init(unusableUntilRecovered path: FilePath, usedBy users: String) {
        isDamage = false
        awaitsMigration = false
        awaitsRecovery = true
        description = """
            writing to \(path) or its journal has failed. It is recovered when it is opened next, after all processes that \
            have it open have ended\(users)
            """
    }

    init(olderLayout: UInt64, usedBy users: String, _ path: FilePath) {
        isDamage = false
        awaitsMigration = true
        awaitsRecovery = false
        description = """
            \(path) has layout \(olderLayout), and this program needs layout \(MappedStore.schemaVersion). It cannot be \
            migrated while other processes have it open\(users): stop them, or restart the service
            """
    }
}

extension StoreFailure {
    package init(_ error: LMDBError) {
        self =
            if error.isFull {
                .full
            } else if error.isFatal {
                .lost(error.description)
            } else if error.isDamage {
                .damaged(error.description)
            } else {
                .unavailable(error.description)
            }
    }
}
