package import Cryptography
internal import Encodings
internal import HTTP

/// How a message is authenticated or checked: by a digest of the body in a header.
package struct SenderAuthentication: Equatable, Sendable {
    package enum Process: String, Equatable, Sendable {
        /// HMAC (RFC 2104) of the body under the key.
        case hmac
        /// The digest of the body alone: a checksum, which does not prove who the sender is.
        case hash
    }

    package var process: Process
    package var algorithm: DigestAlgorithm
    /// The key of `hmac`; without one, `hmac` refuses everything.
    package var key: [UInt8]?
    /// The header with the digest; without one, everything is refused.
    package var headerName: String?

    package init(process: Process, algorithm: DigestAlgorithm, key: [UInt8]?, headerName: String?) {
        self.process = process
        self.algorithm = algorithm
        self.key = key
        self.headerName = headerName
    }

    /// The value that the header must have, in lower case; `nil` if every value is refused.
    func signature(of body: [UInt8]) -> [UInt8]? {
        switch process {
        case .hash: return Array(hexadecimal(algorithm.digest(of: body)).utf8)
        case .hmac:
            guard let key else { return nil }
            return Array(hexadecimal(algorithm.authenticationCode(of: body, key: key)).utf8)
        }
    }

    /// The signature that came with a message; the values of repeated headers are joined.
    func claim(in fields: FieldList) -> [UInt8]? { headerName.flatMap { fields.joinedValue(of: $0) } }

    func accepts(_ body: [UInt8], _ fields: FieldList) -> Bool {
        guard let claim = claim(in: fields), let signature = signature(of: body) else { return false }
        return isEqualInConstantTime(claim, signature)
    }
}
