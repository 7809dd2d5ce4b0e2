@testable import Encodings

/// Bytes have exactly one text in each alphabet.
func fuzzBase64(_ bytes: [UInt8]) {
    for alphabet in [Base64.standard, .url] {
        require(alphabet.decode(alphabet.encode(bytes).utf8) == bytes, "other bytes")
        if let decoded = alphabet.decode(bytes) {
            require(Array(alphabet.encode(decoded).utf8) == bytes, "two texts for the same bytes")
        }
    }
}
