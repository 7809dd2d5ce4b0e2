internal import Encodings

/// Something that a sender may have signed, or signed with, instead of the right thing.
struct Variation<Value> {
    let value: Value
    let cause: Verdict.Cause
    /// A clause that says what the sender did.
    let reason: String
}

extension Variation<[UInt8]> {
    /// Other keys that the same secret may have been taken for.
    static func keys(of scheme: VerificationScheme) -> [Variation<[UInt8]>] {
        let secret = scheme.secret
        let bare = secret.hasPrefix("whsec_") ? String(secret.dropFirst(6)) : secret
        let isDecoded = scheme.preset == .standardWebhooks
        var found: [Variation] = []
        func add(_ key: [UInt8]?, _ reason: String) {
            guard let key, !key.isEmpty, key != scheme.key, !found.contains(where: { $0.value == key }) else { return }
            found.append(Variation(value: key, cause: .secret, reason: reason))
        }
        if isDecoded {
            add(Array(secret.utf8), "the sender used the text of the secret as the key, not the bytes of its Base64")
            add(
                Array(bare.utf8),
                "the sender used the text of the secret after whsec_ as the key, not the bytes of its Base64")
        }
        let trimmed = secret.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()
        add(Array(String(trimmed).utf8), "the secret that is set here begins or ends with a blank or newline")
        add(Array((secret + "\n").utf8), "the sender's secret ends with a newline")
        add(Array((secret + "\r\n").utf8), "the sender's secret ends with a newline")
        if !isDecoded {
            add(
                VerificationScheme.base64(secret),
                "the sender decoded the secret from Base64; the preset takes it as text")
            add(Array(bare.utf8), "the sender used the secret without whsec_")
            add(
                VerificationScheme.base64(bare),
                "the sender decoded the secret after whsec_ from Base64; the preset takes it as text")
        }
        add(bytes(hexadecimal: secret), "the sender decoded the secret from hexadecimal digits")
        add(bytes(hexadecimal: bare), "the sender decoded the secret after whsec_ from hexadecimal digits")
        add(
            Array(Base64.standard.encode(secret.utf8).utf8), "the sender used the Base64 of the secret as the key")
        return found
    }

    /// The body as it was sent, if it was compressed.
    static func compressed(_ request: ReceivedRequest) -> [Variation<[UInt8]>] {
        guard request.wireBody != request.body else { return [] }
        return [
            Variation(value: request.wireBody, cause: .compressed, reason: "the sender signed the compressed bytes")
        ]
    }

    /// The body with other newlines, or other blanks at its ends.
    static func newlines(of body: [UInt8]) -> [Variation<[UInt8]>] {
        var found: [Variation] = []
        func add(_ other: [UInt8], _ what: String) {
            guard other != body, !found.contains(where: { $0.value == other }) else { return }
            found.append(Variation(value: other, cause: .newline, reason: "the sender signed the body \(what)"))
        }
        if body.last == 0x0a {
            let line = body.dropLast(body.suffix(2).elementsEqual([0x0d, 0x0a]) ? 2 : 1)
            add(Array(line), "without the newline at its end")
        }
        add(body + [0x0a], "with a newline at its end, which was not sent")
        add(body + [0x0d, 0x0a], "with CR LF at its end, which was not sent")
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d }
        let end = body.lastIndex { !isBlank($0) } ?? -1
        add(Array(body[...end].drop(while: isBlank)), "without the blanks at its ends")
        guard body.contains(0x0a) else { return found }
        var unix: [UInt8] = []
        var network: [UInt8] = []
        unix.reserveCapacity(body.count)
        network.reserveCapacity(body.count)
        for (index, byte) in body.enumerated() {
            if byte == 0x0d, index + 1 < body.count, body[index + 1] == 0x0a { continue }
            unix.append(byte)
            if byte == 0x0a { network.append(0x0d) }
            network.append(byte)
        }
        add(unix, "with LF instead of CR LF")
        add(network, "with CR LF instead of LF")
        return found
    }

    /// Other bodies that may have been signed.
    static func bodies(of request: ReceivedRequest) -> [Variation<[UInt8]>] {
        let body = request.body
        var found = compressed(request) + newlines(of: body)
        func add(_ other: [UInt8]?, _ cause: Verdict.Cause, _ reason: String) {
            guard let other, other != body, !found.contains(where: { $0.value == other }) else { return }
            found.append(Variation(value: other, cause: cause, reason: reason))
        }
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        add(mark + body, .charset, "the sender signed the body with a byte order mark, which was not sent")
        if body.starts(with: mark) {
            add(Array(body.dropFirst(3)), .charset, "the sender signed the body without its byte order mark")
        }
        if body.contains(where: { $0 >= 0x80 }) {
            if let text = String(validating: body, as: UTF8.self) {
                let latin = text.unicodeScalars.map { $0.value < 0x100 ? UInt8($0.value) : nil }
                if !latin.contains(nil) {
                    add(latin.compactMap(\.self), .charset, "the sender signed the body in ISO-8859-1 and sent UTF-8")
                }
            }
            let utf8 = body.flatMap { $0 < 0x80 ? [$0] : [0xc0 | $0 >> 6, 0x80 | $0 & 0x3f] }
            add(utf8, .charset, "the sender signed the body in UTF-8, from ISO-8859-1")
        }
        if let json = request.json {
            for style in JSONStyle.all {
                add(
                    style.text(of: json, maximumBytes: 4 * body.count + 1024), .serialization,
                    "the sender signed the same JSON, written \(style.name)")
            }
        }
        add([], .body, "the sender signed an empty body")
        return found
    }
}
