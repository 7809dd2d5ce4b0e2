import Encodings
import Testing

@testable import Cryptography

@Suite struct AES256GCMTests {
    /// One vector of each size from NIST's CAVP (gcmEncryptExtIV256.rsp), and the last test case of the mode's
    /// specification (McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test case 16).
    private static let vectors: [[String]] = [
        [
            "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4", "516c33929df5a3284ff463d7", "", "", "",
            "bdc1ac884d332457a1d2664f168c76f0",
        ],
        [
            "78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223", "d79cf22d504cc793c3fb6c8a", "",
            "b96baa8c1c75a671bfb2d08d06be5f36", "", "3e5d486aa2e30b22e040b85723a06e76",
        ],
        [
            "31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22", "0d18e06c7c725ac9e362e1ce",
            "2db5168e932556f8089a0622981d017d", "", "fa4362189661d163fcd6a56d8bf0405a",
            "d636ac1bbedd5cc3ee727dc2ab4a9489",
        ],
        [
            "82c4f12eeec3b2d3d157b0f992d292b237478d2cecc1d5f161389b97f999057a", "7b40b20f5f397177990ef2d1",
            "982a296ee1cd7086afad976945", "", "ec8e05a0471d6b43a59ca5335f", "113ddeafc62373cac2f5951bb9165249",
        ],
        [
            "24501ad384e473963d476edcfe08205237acfd49b5b8f33857f8114e863fec7f", "9ff18563b978ec281b3f2794",
            """
            27f348f9cdc0c5bd5e66b1ccb63ad920ff2219d14e8d631b3872265cf117ee86757accb158bd9abb3868fdc0d0b074b5f01b2c
            """,
            "adb5ec720ccf9898500028bf34afccbcaca126ef",
            """
            eb7cb754c824e8d96f7c6d9b76c7d26fb874ffbf1d65c6f64a698d839b0b06145dae82057ad55994cf59ad7f67c0fa5e85fab8
            """,
            "bc95c532fecc594c36d1550286a7a3f0",
        ],
        [
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
            """
            d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
            1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39
            """,
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            """
            522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
            8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662
            """,
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ],
    ]

    @Test(arguments: vectors)
    func `ciphertexts and tags equal the published vectors`(vector: [String]) throws {
        let fields = try vector.map { try #require(bytes(hexadecimal: $0)) }
        let (key, nonce, plain, authenticated) = (fields[0], fields[1], fields[2], fields[3])
        let sealed = AES256GCM.encrypt(plain, key: key, nonce: nonce, authenticating: authenticated)
        #expect(hexadecimal(sealed) == vector[4] + vector[5])
        #expect(AES256GCM.decrypt(sealed, key: key, nonce: nonce, authenticating: authenticated) == plain)
    }

    @Test func `bytes shorter than a tag are not decrypted`() {
        let key = [UInt8](repeating: 1, count: 32)
        let nonce = [UInt8](repeating: 2, count: 12)
        for count in 0..<16 {
            let sealed = [UInt8](repeating: 0, count: count)
            #expect(AES256GCM.decrypt(sealed, key: key, nonce: nonce, authenticating: []) == nil)
        }
    }
}
