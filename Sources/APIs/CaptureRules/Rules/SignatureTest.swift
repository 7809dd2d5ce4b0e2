internal import Cryptography
internal import Encodings
internal import HTTP

/// A condition of recipes: a header has the Base64 of the HMAC-SHA256 of the body as sent.
struct SignatureTest: Equatable, Sendable {
    let header: String
    let key: [UInt8]

    func holds(for request: ReceivedRequest) -> Bool {
        let code = DigestAlgorithm.sha256.authenticationCode(of: request.wireBody, key: key)
        let wanted = Array(Base64.standard.encode(code).utf8)
        return request.fields.values(of: header).contains { isEqualInConstantTime(Array($0), wanted) }
    }
}
