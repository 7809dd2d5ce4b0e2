import Encodings
import Testing

@testable import Cryptography

@Suite struct Argon2idTests {
    private static let cheap = Argon2id.Cost(memoryKiB: 64, passes: 2, lanes: 1)
    private static let encoded = "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI"

    /// Output of Debian's argon2(1) for `argon2 <salt> -id -t <passes> -k <memory> -p <lanes> -l <bytes>`.
    @Test(
        arguments: [
            (
                "password", "somesalt", cheap, 32,
                "16a1a498734609dd01456da406de9f3d9da93e6c86c300a12fc1465214ce4922"
            ),
            (
                "password", "somesalt", .standard, 32,
                "3cbd356a63f2794bb11bb1f4bc8af95fea87919bd69c79860465c562f87ccf61"
            ),
            (
                "correct horse", "0123456789abcdef", Argon2id.Cost(memoryKiB: 256, passes: 3, lanes: 4), 24,
                "f722697a0e7ea3ac61ba8a0521152ab1431853b7ac3aaeda"
            ),
        ] as [(String, String, Argon2id.Cost, Int, String)])
    func `hashes equal those of the reference program`(
        password: String, salt: String, cost: Argon2id.Cost, byteCount: Int, hash: String
    ) throws {
        let bytes = try #require(
            Argon2id.hash(Array(password.utf8), salt: Array(salt.utf8), cost, byteCount: byteCount))
        #expect(hexadecimal(bytes) == hash)
    }

    @Test func `an empty password has a hash, and another one than a zero byte`() throws {
        let salt = Array("somesalt".utf8)
        let hash = try #require(Argon2id.hash([], salt: salt, Self.cheap))
        #expect(hash != Argon2id.hash([0], salt: salt, Self.cheap))
    }

    @Test(
        arguments: [
            (7, cheap, 32), (0, cheap, 32), (8, cheap, 3), (8, cheap, 0), (8, cheap, -1),
            (8, Argon2id.Cost(memoryKiB: 7, passes: 1, lanes: 1), 32),
            (8, Argon2id.Cost(memoryKiB: 15, passes: 1, lanes: 2), 32),
            (8, Argon2id.Cost(memoryKiB: 64, passes: 0, lanes: 1), 32),
            (8, Argon2id.Cost(memoryKiB: 64, passes: 1, lanes: 0), 32),
        ] as [(Int, Argon2id.Cost, Int)])
    func `parameters that libargon2 refuses give no hash`(saltBytes: Int, cost: Argon2id.Cost, byteCount: Int) {
        let salt = [UInt8](repeating: 1, count: saltBytes)
        #expect(Argon2id.hash([1], salt: salt, cost, byteCount: byteCount) == nil)
    }

    @Test func `only the encoded password is verified`() {
        #expect(Argon2id.verify(Array("password".utf8), encoded: Self.encoded))
        for wrong in ["passwore", "password ", "Password", ""] {
            #expect(!Argon2id.verify(Array(wrong.utf8), encoded: Self.encoded))
        }
    }

    @Test(arguments: [
        "", "password", "$argon2id$", encoded + "A", encoded + "\0", String(encoded.dropLast()), " " + encoded,
        encoded.replacing("argon2id", with: "argon2i"), encoded.replacing("argon2id", with: "argon2d"),
        encoded.replacing("m=64", with: "m=65"), encoded.replacing("t=2", with: "t=-2"),
    ])
    func `a changed or malformed encoding verifies no password`(text: String) {
        #expect(!Argon2id.verify(Array("password".utf8), encoded: text))
    }
}
