import Cryptography
import Encodings
import HTTP
import Testing

@testable import Queues

@Suite struct SenderAuthenticationTests {
    private static let body = Array(#"{"event": "push"}"#.utf8) + [0xff, 0]
    private static let key = Array("schlüssel".utf8)

    /// Python's `hashlib` and `hmac` for `body` and `key`.
    private static let signatures: [(method: SenderAuthentication, signature: String)] = [
        (hash(.sha1), "b22553d4f705f0b8c8ab41f5c5c2d9ca0356e39b"),
        (hash(.sha224), "6f402c403563451d4be6b222c8c9ac23f202716980be72e6e8103a6b"),
        (hash(.sha256), "8cb8f28bb42663c2472597bc6f4b0240c980f219f66e35a9e561345bc3b571ed"),
        (
            hash(.sha384),
            "85d70e5d45856c61dbfbd5b356115a6a15660c3549a26ec0436691de54d6a96d7e4d18248b13f2d384a798136d7ed05b"
        ),
        (
            hash(.sha512),
            "e38b6152276d0223f65c9a48bbd637edfdffb9834e8ba1ae8063dc9b8da90fae1fb09f339a50f6482f5df53709a61dbfde63272d2862e9e0785d7248dfae068c"
        ),
        (
            hash(.blake2b),
            "6648caa99d1973eb9c1582683e1a66db367684c6acc5658d8ab6e76b84df6c87b7f30b442e6732d6950bfbc934e2425ac18d309a1b404cdf5563ac9e60c368eb"
        ),
        (hash(.blake2s), "d725d743ec1025818bf04f17844c55bfaeaf9606e4e86fc898d7693dae5b4445"),
        (hmac(.sha1), "ac8b863a976a99ed134e945c6de2ebea21cc4e5f"),
        (hmac(.sha224), "d73bd6330c29d1ed0ad87e03dafee0d537e6ab8ef0f88c3ae6cdf680"),
        (hmac(.sha256), "037caa94bb1c0ab61ee390953f5e10e1cd094073ed2993c7c359b6cc06704c17"),
        (
            hmac(.sha384),
            "abf1a474a543d4b3c764a05ec94f491efb37e8c053f62639b956b1b576a5fbb0dfb0db25b4e9271b243bf9e6b48f4b22"
        ),
        (
            hmac(.sha512),
            "40c1b000047bcf2d8f577e07a1bb64f15572016aa3bcd05f5533239935d123b5999a3112dcf3f35d147f1eb415751deb92e52c94bdf758fe27a88758594c182f"
        ),
        (
            hmac(.blake2b),
            "1d45ab53a7168fb8dc0157f8b89888fbcef21c9fb177e51f8bacfc4fcc1a8df1871f37070bdfddcf89cac2de3e2efb0fea1d69e95ff03a5ba26665df07684356"
        ),
        (hmac(.blake2s), "a3b66363cecc58a367568bddd509bcccb494807828e800dab65dc115ae26d07b"),
    ]

    private static func hmac(_ algorithm: DigestAlgorithm, key: [UInt8]? = key, header: String? = "X-Signature")
        -> SenderAuthentication
    {
        SenderAuthentication(process: .hmac, algorithm: algorithm, key: key, headerName: header)
    }

    private static func hash(_ algorithm: DigestAlgorithm) -> SenderAuthentication {
        SenderAuthentication(process: .hash, algorithm: algorithm, key: nil, headerName: "X-Signature")
    }

    private func fields(_ values: String..., name: String = "X-Signature") -> FieldList {
        var fields = FieldList()
        for value in values { fields.append(name: name.utf8, value: value.utf8) }
        return fields
    }

    @Test(arguments: signatures)
    func `a body is accepted only with its own signature`(method: SenderAuthentication, signature: String) {
        #expect(method.accepts(Self.body, fields(signature)))
        #expect(!method.accepts(Self.body + [0], fields(signature)))
        #expect(!method.accepts([], fields(signature)))
        let wrong = [
            "", signature.uppercased(), "\(signature.dropLast())", signature + "0", "\(signature.dropFirst())0",
            "\(method.algorithm.rawValue)=\(signature)", "ä" + signature.dropFirst(2),
            String(repeating: "0", count: signature.count),
        ]
        for claim in wrong { #expect(!method.accepts(Self.body, fields(claim)), "\(claim)") }
    }

    @Test(arguments: signatures)
    func `a missing or repeated header is refused, even if the signatures are right`(
        method: SenderAuthentication, signature: String
    ) {
        #expect(!method.accepts(Self.body, fields()))
        #expect(!method.accepts(Self.body, fields(signature, name: "Signature")))
        #expect(!method.accepts(Self.body, fields(signature, signature)))
        var nameless = method
        nameless.headerName = nil
        #expect(!nameless.accepts(Self.body, fields(signature)))
        #expect(nameless.claim(in: fields(signature)) == nil)
    }

    @Test(arguments: DigestAlgorithm.allCases)
    func `HMAC without a key accepts nothing, and a hash ignores the key`(algorithm: DigestAlgorithm) {
        let keyless = Self.hmac(algorithm, key: nil)
        for key in [[], Self.key, Array("None".utf8)] as [[UInt8]] {
            let signature = hexadecimal(algorithm.authenticationCode(of: Self.body, key: key))
            #expect(!keyless.accepts(Self.body, fields(signature)))
            #expect(Self.hmac(algorithm, key: key).accepts(Self.body, fields(signature)))
        }
        var hash = Self.hash(algorithm)
        let digest = hexadecimal(algorithm.digest(of: Self.body))
        #expect(!keyless.accepts(Self.body, fields(digest)))
        hash.key = Self.key
        #expect(hash.accepts(Self.body, fields(digest)))
    }

    @Test(arguments: ["X-Signature", "x-signature", "X_SIGNATURE", "x_Signature"])
    func `the name of a header is compared without letter case, and hyphens equal underscores`(name: String) {
        let signature = hexadecimal(DigestAlgorithm.sha256.authenticationCode(of: Self.body, key: Self.key))
        #expect(Self.hmac(.sha256, header: name).accepts(Self.body, fields(signature, name: "X-Signature")))
        #expect(Self.hmac(.sha256).accepts(Self.body, fields(signature, name: name)))
        #expect(!Self.hmac(.sha256).accepts(Self.body, fields(signature, name: "X-Signatur")))
    }
}
