internal import Cryptography
package import HTTP

/// Identifies what a sender delivers: when it tries again, a header field has the same value.
package struct SenderDelivery: Hashable, Sendable {
    /// The beginning of the SHA-256 digest of the field's name and value.
    package let bytes: [UInt8]

    package static let byteCount = 16
    /// The most attempts of a delivery that a notification shows.
    package static let shownAttempts = 100
    /// The most bytes of the name of a field that an endpoint names.
    static let nameBytes = 128

    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// Takes the field that the endpoint names, or else the first of these that is there: `webhook-id` of Standard Webhooks,
    /// `X-GitHub-Delivery`, `Idempotency-Key`. A value that is empty does not count.
    /// - Parameter named: the name of the endpoint's field; `nil` if it names none.
    package init?(of fields: FieldList, named: String?) {
        if let named, let value = fields.values(of: named).first, !value.isEmpty {
            self.init(named.lowercased(), value)
            return
        }
        var found: (rank: Int, value: ArraySlice<UInt8>)?
        for index in 0..<fields.count {
            guard let rank = Self.rank(of: fields, at: index), rank < found?.rank ?? .max else { continue }
            let value = fields.value(at: index)
            if !value.isEmpty { found = (rank, value) }
        }
        guard let found else { return nil }
        self.init(Self.names[found.rank].description, found.value)
    }

    private static let names: [StaticString] = ["webhook-id", "x-github-delivery", "idempotency-key"]

    private static func rank(of fields: FieldList, at index: Int) -> Int? {
        // Most names have another length than these three.
        switch fields.name(at: index).count {
        case 10: fields.hasName("webhook-id", at: index) ? 0 : nil
        case 17: fields.hasName("x-github-delivery", at: index) ? 1 : nil
        case 15: fields.hasName("idempotency-key", at: index) ? 2 : nil
        default: nil
        }
    }

    private init(_ name: String, _ value: ArraySlice<UInt8>) {
        bytes = Array(DigestAlgorithm.sha256.digest(of: Array(name.utf8) + [0] + value).prefix(Self.byteCount))
    }
}
