internal import Encodings

/// A public key out of its SubjectPublicKeyInfo (RFC 5280, section 4.1), as far as a JSON Web Key needs it.
struct PublicKey {
    /// The members of the JSON Web Key (RFC 7517), its name left out.
    let jwk: [(String, String)]

    /// - Returns: `nil` for what is none, or of another kind than Ed25519, P-256 and RSA.
    init?(pem: String) {
        let lines = pem.split(whereSeparator: \.isNewline)
        guard lines.first == "-----BEGIN PUBLIC KEY-----", lines.last == "-----END PUBLIC KEY-----", lines.count > 2,
            let der = Base64.standard.decode(lines.dropFirst().dropLast().joined().utf8)
        else { return nil }
        var outer = DERReader(der[...])
        guard let information = outer.take(0x30) else { return nil }
        var fields = DERReader(information)
        guard let algorithm = fields.take(0x30), let bits = fields.take(0x03), bits.first == 0 else { return nil }
        let key = bits.dropFirst()
        switch Array(algorithm) {
        case Self.ed25519 where key.count == 32:
            jwk = [("kty", "OKP"), ("crv", "Ed25519"), ("x", Base64.url.encode(key))]
        case Self.p256 where key.count == 65 && key.first == 4:
            let point = key.dropFirst()
            jwk = [
                ("kty", "EC"), ("crv", "P-256"), ("x", Base64.url.encode(point.prefix(32))),
                ("y", Base64.url.encode(point.suffix(32))),
            ]
        case Self.rsa:
            var sequence = DERReader(key)
            guard let numbers = sequence.take(0x30) else { return nil }
            var reader = DERReader(numbers)
            guard let modulus = reader.take(0x02), let exponent = reader.take(0x02) else { return nil }
            jwk = [
                ("kty", "RSA"), ("n", Base64.url.encode(modulus.drop { $0 == 0 })),
                ("e", Base64.url.encode(exponent.drop { $0 == 0 })),
            ]
        default: return nil
        }
    }

    /// id-Ed25519, 1.3.101.112 (RFC 8410).
    private static let ed25519: [UInt8] = [0x06, 3, 0x2b, 0x65, 0x70]
    /// id-ecPublicKey on prime256v1 (RFC 5480).
    private static let p256: [UInt8] =
        [0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1] + [0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]
    /// rsaEncryption and NULL (RFC 3279).
    private static let rsa: [UInt8] = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 0x05, 0]
}

/// Reads values of DER (X.690) one after the other.
private struct DERReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The content of the next value; `nil` where it has another tag or breaks off.
    mutating func take(_ tag: UInt8) -> ArraySlice<UInt8>? {
        guard rest.popFirst() == tag, let first = rest.popFirst() else { return nil }
        var count = Int(first)
        if first >= 0x80 {
            count = 0
            guard (0x81...0x83).contains(first) else { return nil }
            for _ in 0..<(first & 0x7f) {
                guard let byte = rest.popFirst() else { return nil }
                count = count << 8 | Int(byte)
            }
        }
        guard count <= rest.count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }
}
