import CCrypto
import Encodings
import Linux
import SystemPackage
import TestSupport
import Testing

@testable import Cryptography

@Suite struct SigningKeyTests {
    /// RFC 8032, section 7.1: tests 1 to 3, and SHA(abc).
    @Test(
        arguments: [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
                """
                e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155\
                5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
                """
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
                """
                92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
                """
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
                """
                6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
                18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
                """
            ),
            (
                "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
                "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
                """
                ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
                """,
                """
                dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589\
                09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704
                """
            ),
        ])
    func `Ed25519 signatures equal the examples of RFC 8032`(
        seed: String, publicKey: String, message: String, signature: String
    )
        throws
    {
        let seed = try #require(bytes(hexadecimal: seed))
        let key = try #require(SigningKey(ed25519Seed: seed))
        #expect(key.algorithm == .ed25519 && key.ed25519Seed == seed)
        #expect(hexadecimal(key.publicKeyBytes) == publicKey)
        let message = try #require(bytes(hexadecimal: message))
        #expect(key.sign(message).map { hexadecimal($0) } == signature)
        // RFC 8410, section 7.
        #expect(hexadecimal(key.privateKey) == "302e020100300506032b657004220420" + hexadecimal(seed))
    }

    /// RFC 8037, appendix A.2 and A.4.
    @Test func `an Ed25519 key and its signature equal the example of RFC 8037`() throws {
        let seed = try #require(Base64.url.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A".utf8))
        let key = try #require(SigningKey(ed25519Seed: seed))
        #expect(
            key.jwk.map { "\($0)=\($1)" }
                == ["kty=OKP", "crv=Ed25519", "x=11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])
        let message = Array("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".utf8)
        #expect(
            key.sign(message).map { Base64.url.encode($0) }
                == "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
    }

    /// RFC 7515, appendix A.2.
    @Test func `an RSA key and its signature equal the example of RFC 7515`() throws {
        let privateKey = try #require(
            Base64.standard.decode(
                """
                MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCh+BYK4uPJtGXOjS1lYmM2K5J9vinh8CR3/BYlzJChNuOL2TSX\
                xbbqY913EeZ8dCn5VrD7io8ImtxLaYk8wTM/U+3QGbh3hCUv7JFP5IV3aVlL6kKA0ywPVb9ilE8TA5a8bpvfbr3SvaNnjuygxmj3\
                AbONv/s4yDQs4v5tJ/reSlpIdJed1LnPmt7Ex1sFhSwsD174pcF1A5L5ROjtZMEQxrZHYJqkeDrrnGya11UxMFBji4NmXG9veoKj\
                lnAqH2QbgtPr8jkiGUkftoaHLFcW9Qr4NY2ai50Xw0Byj3+H2JoY2PyrZ62EWQwuz3WTOTY8BwNNb2BvniHgVFbK5emhAgMBAAEC\
                ggEAEq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7/GQ5sLKMgvfTeXZx9SE+7YwVol2NXOoAJe\
                46sui395IW/GO+pWJ1O0BkTGoVEn2bKVRUCgu+GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M/V51gfpRLI9JYanr\
                C4D4qAdGcopV/0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl/x/jTj3ccPDVZFD9pIuhLhBOneuf\
                uBiB4cS98l2SR/RQyGWSeWjnczT0QU91p1DhOVRuOopznQKBgQDgHMQQ60imZV1URk0KpLttoLhyt3SmqdEf/kgHePDdtzEafpAu\
                +cS191R2JiuoF2yzWXnwFDcqGigp5BNr0AHQfD8/Lk8l1Mk09jxxCfui5nYooNyac8YFjm3vItzVCVDnEd3BbVWG8qf6deqElMGA\
                g+C2V0L4oNXnP7LZcPAZRwKBgQC5A8R+CZW2MvRTLLHzwZkUXV866cff7tx6kqa0finGG0KgeqlaZPxgCZnFp7AeAcCMtiynVlJ7\
                vMVgePsLq6XtON4tB5kP9jAPrq3rbAOal78eUH5OcED6eNuCV8ixEu1eWcPNCS/l1OW1EnXUEoEHKl54Xrrz2uNwkgMTP1FZ1wKB\
                gAcCn1dwJKufzBWQxWQp1vsM5fggqPN1qGb5y0MAk3g7/Ls5bkUp5u9SN0Ai3Ya6hNnvWJMb7sXQX6U/zyO2M/hTip7tUeh7CXgw\
                o59dkpN75gJLVds29+DAncu3KXU4f2Fa+7bLNrur53k8KwPOq2bbuTG69QtV7Jr5MR0AHWKNAoGBAIf/evpitUf+4JYbLpvNXWcY\
                052Mpz22aR84mY3nh3F2LF2mjMJDpTg7FmuyPcVw6EcGyoAe9fa65iNqCq+jdw6PVNGo2hxfjSiZ8IIzHdsPXI89//pMjZcQK9r+\
                CCoRjaZjOYiIDktVWZzmevJuv6WywUqd57LE3Zar3dLSIkx1AoGAIYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd+DlcxyVuuM9s\
                QLdgjVk2oy26F0EmpScGLq2MowX7fhd/QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp/gh6A56\
                03k2+ZQwVK0JKSHuLFkuQ3U=
                """.utf8))
        let key = try #require(SigningKey(privateKey: privateKey))
        #expect(key.algorithm == .rsaSHA256 && key.privateKey == privateKey && key.ed25519Seed == nil)
        let modulus =
            """
            ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
            T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
            dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
            GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ
            """
        #expect(key.jwk.map { "\($0)=\($1)" } == ["kty=RSA", "n=\(modulus)", "e=AQAB"])
        let message = """
            eyJhbGciOiJSUzI1NiJ9\
            .\
            eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ
            """
        let signature =
            """
            cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9\
            uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB\
            _eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq\
            Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw
            """
        #expect(key.sign(Array(message.utf8)).map { Base64.url.encode($0) } == signature)
    }

    /// RFC 7515, appendix A.3.
    @Test func `a P-256 key equals the example of RFC 7515`() throws {
        let privateKey = try #require(
            Base64.standard.decode(
                """
                MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIffH1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/\
                zc4ncPbEXUGDy+5v20t7WAczNXvp7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt
                """.utf8))
        let key = try #require(SigningKey(privateKey: privateKey))
        #expect(key.algorithm == .ecdsaP256SHA256 && key.privateKey == privateKey)
        #expect(
            key.jwk.map { "\($0)=\($1)" } == [
                "kty=EC", "crv=P-256", "x=f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y=x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            ])
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `a key read from its stored form is the same key`(algorithm: SignatureAlgorithm) throws {
        let key = try #require(SigningKey(generating: algorithm))
        let other = try #require(SigningKey(generating: algorithm))
        let stored = try #require(SigningKey(privateKey: key.privateKey))
        #expect(key.algorithm == algorithm && stored.algorithm == algorithm)
        #expect(stored.privateKey == key.privateKey && stored.publicKeyBytes == key.publicKeyBytes)
        #expect(other.privateKey != key.privateKey && other.publicKeyBytes != key.publicKeyBytes)
        guard algorithm != .ecdsaP256SHA256 else { return }
        #expect(stored.sign([1, 2, 3]) == key.sign([1, 2, 3]))
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `a truncated or extended key is refused, and leaves no OpenSSL error`(algorithm: SignatureAlgorithm) throws {
        let stored = try #require(SigningKey(generating: algorithm)).privateKey
        for count in [0, 1, 10, stored.count / 2, stored.count - 1] {
            #expect(SigningKey(privateKey: Array(stored.prefix(count))) == nil)
        }
        #expect(SigningKey(privateKey: stored + [0]) == nil)
        #expect(SigningKey(privateKey: Array(stored.dropFirst())) == nil)
        #expect(SigningKey(privateKey: [UInt8](repeating: 0x30, count: 1000)) == nil)
        #expect(ERR_peek_error() == 0)
    }

    @Test(arguments: [0, 31, 33, 64])
    func `a seed of other than 32 bytes is refused`(count: Int) {
        #expect(SigningKey(ed25519Seed: [UInt8](repeating: 1, count: count)) == nil)
    }

    @Test func `printing a key does not reveal it`() throws {
        let key = try #require(SigningKey(generating: .ed25519))
        #expect("\(key)" == "SigningKey(ed25519)")
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `several threads can use a key at once`(algorithm: SignatureAlgorithm) throws {
        let key = try #require(SigningKey(generating: algorithm))
        let shown = "\(key.jwk)"
        let threads = (UInt8(0)..<8).map { number in
            PlainThread {
                for count in 0..<20 {
                    #expect(key.sign([UInt8](repeating: number, count: count * 50)) != nil)
                    #expect("\(key.jwk)" == shown)
                    #expect(SigningKey(privateKey: key.privateKey).map { "\($0.jwk)" } == shown)
                }
            }
        }
        for thread in threads { thread.join() }
    }
}

private let openssl: FilePath = "/usr/bin/openssl"

/// Keys and signatures exchanged with openssl(1).
@Suite(.enabled(if: Files.exists(openssl), "needs openssl(1)")) struct SigningKeyInteroperationTests {
    private func succeeds(_ arguments: String..., in directory: FilePath) throws -> Bool {
        let script = "exec \(openssl) \(arguments.joined(separator: " ")) >/dev/null 2>&1"
        return try ChildProcess("/bin/sh", ["-c", script], environment: [], directory: directory).waitForEnding()
            == .exited(0)
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `openssl verifies a signature with the public key, for the signed message only`(algorithm: SignatureAlgorithm)
        throws
    {
        try withTemporaryDirectory { directory in
            let key = try #require(SigningKey(generating: algorithm))
            let digest = algorithm == .ed25519 ? "" : "-digest sha256"
            try Files.create(directory.appending("public"), with: Array(key.publicKeyPEM.utf8))
            for size in [1, 100, 5000] {
                let message = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
                try Files.replace(directory.appending("message"), with: message)
                try Files.replace(directory.appending("other"), with: message.dropLast() + [0xee])
                try Files.replace(directory.appending("signature"), with: try #require(key.sign(message)))
                for (file, isRight) in [("message", true), ("other", false)] {
                    let isVerified = try succeeds(
                        "pkeyutl -verify -pubin -inkey public -rawin", digest, "-in \(file) -sigfile signature",
                        in: directory)
                    #expect(isVerified == isRight, "\(file) of \(size) bytes")
                }
            }
        }
    }

    @Test(arguments: SignatureAlgorithm.allCases)
    func `openssl derives the same public key from the private key`(algorithm: SignatureAlgorithm) throws {
        try withTemporaryDirectory { directory in
            let key = try #require(SigningKey(generating: algorithm))
            try Files.create(directory.appending("private"), with: key.privateKey)
            #expect(try succeeds("pkey -inform DER -in private -pubout -out public", in: directory))
            #expect(Files.contents(of: directory.appending("public")) == Array(key.publicKeyPEM.utf8))
        }
    }

    @Test(
        arguments: [
            ("ED25519", .ed25519), ("RSA -pkeyopt rsa_keygen_bits:2048", .rsaSHA256),
            ("RSA -pkeyopt rsa_keygen_bits:1024", nil), ("RSA-PSS -pkeyopt rsa_keygen_bits:2048", nil),
            ("EC -pkeyopt ec_paramgen_curve:P-256", .ecdsaP256SHA256), ("EC -pkeyopt ec_paramgen_curve:P-384", nil),
            ("EC -pkeyopt ec_paramgen_curve:secp256k1", nil), ("X25519", nil), ("ED448", nil),
        ] as [(String, SignatureAlgorithm?)])
    func `a key made by openssl is accepted if its type and size are supported`(
        kind: String, algorithm: SignatureAlgorithm?
    ) throws {
        try withTemporaryDirectory { directory in
            #expect(try succeeds("genpkey -algorithm \(kind) -out pem", in: directory))
            #expect(try succeeds("pkcs8 -topk8 -nocrypt -in pem -outform DER -out der", in: directory))
            let der = try #require(Files.contents(of: directory.appending("der")))
            #expect(SigningKey(privateKey: der)?.algorithm == algorithm)
            #expect(ERR_peek_error() == 0)
        }
    }
}
