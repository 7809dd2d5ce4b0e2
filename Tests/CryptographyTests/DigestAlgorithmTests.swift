import Encodings
import Testing

@testable import Cryptography

@Suite struct DigestAlgorithmTests {
    /// The digests of "abc" are from FIPS 180-2, appendices A to C, RFC 3174, RFC 3874 and RFC 7693, appendices A and
    /// B; those of the empty text are from Python (hashlib).
    @Test(
        arguments: [
            (.sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                .sha224, "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f",
                "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"
            ),
            (
                .sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            ),
            (
                .sha384,
                "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
            ),
            (
                .sha512,
                """
                cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
                47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e
                """,
                """
                ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
                """
            ),
            (
                .blake2b,
                """
                786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419\
                d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce
                """,
                """
                ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923
                """
            ),
            (
                .blake2s, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9",
                "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"
            ),
        ] as [(DigestAlgorithm, String, String)])
    func `digests equal the examples of the standards`(algorithm: DigestAlgorithm, ofEmpty: String, ofABC: String) {
        #expect(hexadecimal(algorithm.digest(of: [UInt8]())) == ofEmpty)
        #expect(hexadecimal(algorithm.digest(of: "abc".utf8)) == ofABC)
        #expect(hexadecimal(algorithm.digest(of: Array("-abc-".utf8)[1..<4])) == ofABC)
        #expect(hexadecimal(algorithm.digest(of: "cba".utf8.reversed())) == ofABC)
        #expect(algorithm.byteCount == ofEmpty.utf8.count / 2)
    }

    /// RFC 4231, test case 2, and RFC 2202 for SHA-1; those of BLAKE2 are from Python (hmac).
    @Test(
        arguments: [
            (.sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (.sha224, "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"),
            (.sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                .sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
            ),
            (
                .sha512,
                """
                164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737
                """
            ),
            (
                .blake2b,
                """
                6ff884f8ddc2a6586b3c98a4cd6ebdf14ec10204b6710073eb5865ade37a2643\
                b8807c1335d107ecdb9ffeaeb6828c4625ba172c66379efcd222c2de11727ab4
                """
            ),
            (.blake2s, "90b6281e2f3038c9056af0b4a7e763cae6fe5d9eb4386a0ec95237890c104ff0"),
        ] as [(DigestAlgorithm, String)])
    func `authentication codes equal the examples of the standards`(algorithm: DigestAlgorithm, code: String) {
        let message = Array("what do ya want for nothing?".utf8)
        #expect(hexadecimal(algorithm.authenticationCode(of: message, key: Array("Jefe".utf8))) == code)
    }

    /// RFC 4231, test case 6; those of BLAKE2 are from Python (hmac).
    @Test(
        arguments: [
            (.sha256, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
            (
                .sha512,
                """
                80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
                6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598
                """
            ),
            (
                .blake2b,
                """
                a54b2943b2a20227d41ca46c0945af09bc1faefb2f49894c23aebc557fb79c48\
                89dca74408dc865086667aedee4a3185c53a49c80b814c4c5813ea0c8b38a8f8
                """
            ),
            (.blake2s, "d23d79394f53d536a096e6514447eeaabb05ded01be32c1937da6a8f7103bc4e"),
        ] as [(DigestAlgorithm, String)])
    func `a key longer than a block is replaced by its digest`(algorithm: DigestAlgorithm, code: String) {
        let key = [UInt8](repeating: 0xaa, count: 131)
        let message = Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)
        #expect(hexadecimal(algorithm.authenticationCode(of: message, key: key)) == code)
        #expect(hexadecimal(algorithm.authenticationCode(of: message, key: algorithm.digest(of: key))) == code)
    }

    /// From Python (hmac).
    @Test(
        arguments: [
            (.sha1, "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d"),
            (.sha224, "5ce14f72894662213e2748d2a6ba234b74263910cedde2f5a9271524"),
            (.sha256, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
            (
                .sha384,
                "6c1f2ee938fad2e24bd91298474382ca218c75db3d83e114b3d4367776d14d3551289e75e8209cd4b792302840234adc"
            ),
            (.blake2s, "eaf4bb25938f4d20e72656bbbc7a9bf63c0c18537333c35bdb67db1402661acd"),
        ] as [(DigestAlgorithm, String)])
    func `key and message may be empty`(algorithm: DigestAlgorithm, code: String) {
        #expect(hexadecimal(algorithm.authenticationCode(of: [], key: [])) == code)
        #expect(algorithm.authenticationCode(of: [], key: [0]) == algorithm.authenticationCode(of: [], key: []))
    }
}
