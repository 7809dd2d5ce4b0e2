internal import Cryptography
internal import Delivery
internal import Gateway
internal import Linux
internal import MappedStore
internal import SystemPackage

/// The secret that private keys, credentials and the values of custom headers are sealed under: DB_ENCRYPTION_SECRET, or a
/// key made at the first start.
struct EncryptionSecret {
    let key: SealingKey
    /// Whether it was made just now.
    let isNew: Bool

    static func file(_ settings: Settings) -> FilePath { settings.dataDirectory.appending("secret.key") }

    /// Reads the secret, or makes one where none is set and none was made.
    init(_ settings: Settings) throws(Refusal) {
        if let text = settings.encryptionSecret {
            guard let key = SealingKey(bytes: Array(text.utf8)) else {
                preconditionFailure("the setting has 32 bytes, or was refused")
            }
            (self.key, isNew) = (key, false)
            return
        }
        let path = Self.file(settings)
        var random = SystemRandomNumberGenerator()
        let fresh = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
        do throws(Errno) {
            try Files.create(path, with: fresh)
            isNew = true
        } catch .fileExists {
            isNew = false
        } catch {
            throw Refusal("cannot make \(path), the secret that credentials are sealed under: \(error)")
        }
        guard let key = Files.contents(of: path).flatMap({ SealingKey(bytes: $0) }) else {
            throw Refusal("\(path) does not hold 32 bytes, the secret that credentials are sealed under")
        }
        self.key = key
    }

    var sealing: Sealing {
        let key = key
        return Sealing(
            seal: { plain, purpose in
                var random = SystemRandomNumberGenerator()
                return key.seal(plain, for: purpose.context, random: &random)
            }, open: { sealed, purpose in key.open(sealed, for: purpose.context) })
    }

    private static let markContext = Array("store".utf8)

    /// Refuses a store whose secrets were sealed under another key, before anything is written to it.
    func claim(_ store: MappedStore) throws {
        let key = key
        let isOurs = try store.claimSeal(
            isOurs: { key.open($0, for: Self.markContext) != nil },
            make: {
                var random = SystemRandomNumberGenerator()
                return key.seal([], for: Self.markContext, random: &random)
            })
        guard isOurs else {
            throw Refusal(
                "DB_ENCRYPTION_SECRET, or secret.key in DATA_DIR, is not the one that this store was sealed under")
        }
    }
}
