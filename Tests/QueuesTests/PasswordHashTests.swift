import Cryptography
import Encodings
import Testing

@testable import Queues

@Suite struct PasswordHashTests {
    /// Python's `hashlib.new(TYPE, password + salt).hexdigest()`, and argon2(1) for Argon2id.
    private static let hashes: [(password: String, hash: String)] = [
        ("pässwörd", "plain;;pässwörd"),
        ("pässwörd", "plain;not looked at;pässwörd"),
        ("a;b;;c", "plain;;a;b;;c"),
        (";", "plain;;;"),
        ("", "plain;;"),
        ("\u{301}x", "plain;;\u{301}x"),
        ("pässwörd", "sha1;salt;0484b2b45f76e0243052389a43960de4e8cd6caf"),
        ("pässwörd", "sha224;salt;24c47d067878947744f55a77b73f445681309e25c40f51a5429c6447"),
        ("pässwörd", "sha256;salt;3ea59d76a11bb15f08dec036b2dd350f9e8947b35dc0bb29993acdd2b32748be"),
        (
            "pässwörd",
            "sha384;salt;b70bb30f3012870914845d295195e2b04c270af058f46c59240424f3a8c70614bc68e0b27c638dbaa7bbaf82b682db6f"
        ),
        (
            "pässwörd",
            "sha512;salt;3d9916e376727d00e8c2138d0904ee99fc96a64c5b523e812b40b0eee01308e74f0f3492573c8d1fcc3e66b367233cb1ecc9886726abbf35ab5ed44b59006eac"
        ),
        (
            "pässwörd",
            "blake2b;salt;553501cc002e55370afb7176903c27189b4cb560221acb0b66c377ac820a5fda8996582db1d83cb0ab9b4c698c9f6ce1f524b4ef1969b194e4ea92ed6c58e833"
        ),
        ("pässwörd", "blake2s;salt;fdd1d7f2e47875bc2237e6e298acda14621fbe5844b4e4755f2eec91946a5761"),
        ("secret", "sha1;;e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"),
        ("password", "argon2id;somesalt;3cbd356a63f2794bb11bb1f4bc8af95fea87919bd69c79860465c562f87ccf61"),
        (
            "password",
            "argon2id;;$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI"
        ),
    ]

    @Test(arguments: hashes)
    func `a hash accepts its password and no other`(password: String, hash: String) throws {
        let hash = try #require(PasswordHash(hash))
        #expect(hash.accepts(Array(password.utf8)))
        #expect(hash.isUsable)
        for other in [password + "x", password + ";", "x" + password, password + "\0", password.uppercased() + "X"] {
            #expect(!hash.accepts(Array(other.utf8)), "\(other)")
        }
        #expect(password.isEmpty || !hash.accepts([]))
        #expect(!hash.accepts(Array(password.utf8) + [0xff]))
    }

    @Test(arguments: DigestAlgorithm.allCases)
    func `the salt follows the password, and digits must be in lower case`(algorithm: DigestAlgorithm) throws {
        let digits = hexadecimal(algorithm.digest(of: Array("secretsalt".utf8)))
        func accepts(_ value: String) throws -> Bool {
            try #require(PasswordHash("\(algorithm.rawValue);salt;\(value)")).accepts(Array("secret".utf8))
        }
        #expect(try accepts(digits))
        #expect(try !accepts(digits.uppercased()))
        #expect(try !accepts(hexadecimal(algorithm.digest(of: Array("saltsecret".utf8)))))
        #expect(try !accepts(String(digits.dropLast())))
        #expect(try !accepts(digits + "0"))
        #expect(try !accepts(""))
    }

    @Test(arguments: [
        "", "plain", "plain;", "plain;secret", "sha1;abc", "md5;a;b", "SHA1;a;b", "Plain;;x", " plain;;x", ";;x",
        "argon2i;somesalt;00", "sha512-256;a;b", "pla\u{131}n;;x",
    ])
    func `a malformed hash is refused`(text: String) {
        #expect(PasswordHash(text) == nil)
    }

    /// As for `*` in shadow(5): such a user cannot log in.
    @Test(arguments: [
        "sha1;salt;*", "sha1;salt;", "sha256;;0484b2b45f76e0243052389a43960de4e8cd6caf",
        "sha1;salt;0484B2B45F76E0243052389A43960DE4E8CD6CAF", "argon2id;somesalt;", "argon2id;somesalt;00",
        "argon2id;short;3cbd356a63f2794bb11bb1f4bc8af95fea87919bd69c79860465c562f87ccf61",
        "argon2id;;$argon2i$v=19$m=64,t=2,p=1$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI",
    ])
    func `a hash that no password can match is not usable`(text: String) throws {
        let hash = try #require(PasswordHash(text))
        #expect(!hash.isUsable)
        for password in ["", "*", "password", "secret"] { #expect(!hash.accepts(Array(password.utf8))) }
    }

    @Test func `a malformed encoding of Argon2 accepts no password`() throws {
        let broken = ["$argon2id$", "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=1,t=0,p=0$AA$AA"]
        for text in broken {
            #expect(try !#require(PasswordHash("argon2id;;\(text)")).accepts(Array("password".utf8)))
        }
    }

    private static let kinds: [PasswordHash.Kind] =
        [.plain, .argon2id] + DigestAlgorithm.allCases.map { .digest($0) }

    @Test(arguments: kinds)
    func `a new hash accepts its password, and each one has another salt`(kind: PasswordHash.Kind) throws {
        var random = SystemRandomNumberGenerator()
        let password = Array("pass;wörd".utf8)
        let first = try #require(PasswordHash(password, kind, random: &random))
        let second = try #require(PasswordHash(password, kind, random: &random))
        #expect(first != second && first.salt != second.salt)
        #expect(first.kind == kind && first.isUsable)
        #expect(first.text.hasPrefix("\(kind.name);"))
        for hash in [first, second] {
            #expect(hash.accepts(password) && !hash.accepts(Array("pass;word".utf8)))
            #expect(try #require(PasswordHash(hash.text)) == hash)
        }
        #expect(PasswordHash.Kind(kind.name) == kind)
    }

    /// The layout that webhook-queue writes and reads.
    @Test func `a new SHA-512 hash has the layout of the original`() throws {
        var random = SystemRandomNumberGenerator()
        let hash = try #require(PasswordHash(Array("secret".utf8), .digest(.sha512), random: &random))
        #expect(hash.text.wholeMatch(of: /sha512;[0-9a-f]{32};[0-9a-f]{128}/) != nil)
    }
}
