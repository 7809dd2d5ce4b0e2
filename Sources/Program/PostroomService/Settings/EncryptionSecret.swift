package import Cryptography
package import Delivery
internal import HTTP
internal import Linux
package import Storage
package import SystemPackage
internal import Values

/// The secret that encrypts private keys, credentials and the values of custom headers in the store: DB_ENCRYPTION_SECRET,
/// or a key made at the first start.
package struct EncryptionSecret {
    package let key: SealingKey
    /// Whether this process has just made the key.
    package let isNew: Bool

    package static func file(_ settings: Settings) -> FilePath { settings.dataDirectory.appending("secret.key") }

    /// Reads the secret, or makes one if none is set, none was made before, and nothing in the store is encrypted yet.
    package init(_ settings: Settings, for store: any SecretSeal) async throws {
        if let text = settings.encryptionSecret {
            guard let key = SealingKey(bytes: Array(text.utf8)) else {
                preconditionFailure("the setting has 32 bytes, or was refused")
            }
            (self.key, isNew) = (key, false)
        } else if Files.exists(Self.file(settings)) {
            (key, isNew) = (try Self.read(Self.file(settings)), false)
        } else {
            (key, isNew) = (try await Self.make(Self.file(settings), for: store), true)
        }
        try await claim(store)
    }

    private static func read(_ path: FilePath) throws(Refusal) -> SealingKey {
        let bytes: [UInt8]
        do throws(SnapshotError) {
            bytes = try Files.snapshot(of: path, limitBytes: 4096).bytes
        } catch {
            throw Refusal("cannot read \(path), the secret that credentials are encrypted with: \(error)")
        }
        guard let key = SealingKey(bytes: bytes) else {
            throw Refusal("\(path) has \(bytes.count) bytes, but the secret that credentials are encrypted with has 32")
        }
        return key
    }

    private static func make(_ path: FilePath, for store: any SecretSeal) async throws -> SealingKey {
        guard try await store.seal() == nil else {
            throw Refusal(
                """
                \(path) is missing, but credentials in the store are encrypted with it. Restore it from your backup, or \
                set DB_ENCRYPTION_SECRET if that is where the secret was
                """)
        }
        var random = SystemRandomNumberGenerator()
        do throws(Errno) {
            try Files.create(path, with: [UInt8](randomCount: 32, using: &random))
        } catch .fileExists {
            // Another process has made it meanwhile; that one is read below.
        } catch {
            throw Refusal("cannot create \(path), the secret that credentials are encrypted with: \(error)")
        }
        return try read(path)
    }

    package var sealing: Sealing {
        let key = key
        return Sealing(
            seal: { plain, purpose in
                var random = SystemRandomNumberGenerator()
                return key.seal(plain, for: purpose.context, random: &random)
            }, open: { sealed, purpose in key.open(sealed, for: purpose.context) })
    }

    private static let sealContext = Array("store".utf8)

    /// Refuses a store whose secrets were encrypted with another key, before anything is written to it. A store without a
    /// seal gets one, by which the key is recognized later.
    private func claim(_ store: any SecretSeal) async throws {
        var seal = try await store.seal()
        if seal == nil {
            var random = SystemRandomNumberGenerator()
            seal = try await store.seal(ifNone: key.seal([], for: Self.sealContext, random: &random))
        }
        guard let seal, key.open(seal, for: Self.sealContext) != nil else {
            throw Refusal(
                "DB_ENCRYPTION_SECRET, or secret.key in DATA_DIR, is not the secret that credentials in this store are encrypted with"
            )
        }
    }
}
