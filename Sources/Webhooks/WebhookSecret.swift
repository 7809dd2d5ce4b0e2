internal import ContentDecoding

/// The key of Standard Webhooks' v1 signatures, as text: `whsec_` and Base64.
enum WebhookSecret {
    /// Stands for the key in what clients are shown.
    static let mask = "\(prefix)***"
    private static let prefix = "whsec_"
    private static let byteCounts = 24...64

    static func make(random: inout some RandomNumberGenerator) -> [UInt8] {
        (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    static func text(_ key: [UInt8]) -> String { prefix + Base64.standard.encode(key) }

    /// - Parameter text: its padding may be left out.
    static func key(_ text: String) -> [UInt8]? {
        guard text.utf8.starts(with: prefix.utf8) else { return nil }
        var digits = Array(text.utf8.dropFirst(prefix.utf8.count))
        if digits.last != UInt8(ascii: "=") {
            digits += [UInt8](repeating: UInt8(ascii: "="), count: (4 - digits.count % 4) % 4)
        }
        guard let key = Base64.standard.decode(digits), byteCounts.contains(key.count) else { return nil }
        return key
    }
}
