internal import Cryptography
internal import Encodings

/// A name that stands in the URL of an endpoint in place of an id.
struct EndpointName: Equatable {
    let text: String

    /// What a name must be, as the end of a sentence.
    static let rule =
        "must have 1 to 64 letters, digits, hyphens, underscores and dots of ASCII, and must not begin with a dot"

    /// - Parameters:
    ///   - name: as the client has chosen it.
    ///   - secret: makes the name one that cannot be guessed; `nil`: the name is used as it is.
    init?(_ name: String, secret: [UInt8]?) {
        guard Self.isValid(name, atMost: 64) else { return nil }
        // An id has no dot.
        text = secret.map { name + "." + Base64.url.encode($0) } ?? name
        guard secret != nil || Endpoint.ID(name) == nil else { return nil }
    }

    static func isValid(_ text: String, atMost limit: Int) -> Bool {
        text.utf8.count <= limit && !text.isEmpty && text.utf8.first != UInt8(ascii: ".")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-_.".utf8.contains(byte)
                }
            }
    }
}

extension Endpoint.ID {
    /// The id of the endpoint with a name: the beginning of the name's digest.
    init(_ name: EndpointName) { self.init(digestOf: name.text) }

    private init(digestOf name: String) {
        let digest = DigestAlgorithm.sha256.digest(of: Array("endpoint \(name)".utf8))
        guard let id = Endpoint.ID(bytes: Array(digest.prefix(24))) else {
            preconditionFailure("a digest is too short")
        }
        self = id
    }

    /// - Parameter text: an id, or the name of an endpoint.
    package init?(inURL text: String) {
        if let id = Endpoint.ID(text) {
            self = id
        } else {
            guard EndpointName.isValid(text, atMost: 128) else { return nil }
            self.init(digestOf: text)
        }
    }
}
