package import JSON

/// Whether a request's signature is right, and if not, why. It never has a secret.
package struct Verdict: Equatable, Sendable {
    /// Why a signature is not right, for programs.
    package enum Cause: String, Equatable, Sendable, CaseIterable {
        case missingHeader = "missing-header"
        case malformedHeader = "malformed-header"
        /// The signature is right; its time is too far from now.
        case timestamp
        case encoding
        case secret
        case algorithm
        case body
        case compressed
        case newline
        case serialization
        case charset
        /// Another text than the preset's was put together, or only the body was signed.
        case base
        case url
        /// None of the variations that were tried gives the signature.
        case unknown
    }

    package let isValid: Bool
    package let preset: VerificationPreset
    /// `nil` if the signature is right.
    package let cause: Cause?
    /// A sentence for the owner of the endpoint; `nil` if the signature is right.
    package let reason: String?
    /// The first bytes of what must be signed; empty if nothing is signed, or if it cannot be said.
    package let base: [UInt8]
    /// How long all of it is.
    package let baseByteCount: Int
    /// The signature that the secret gives; `nil` if a shared token is compared, or only the sender can make it.
    package let expected: String?
    /// The beginning of the signature that was sent; `nil` if a shared token is compared.
    package let received: String?

    /// The most bytes of `base`.
    package static let baseBytes = 256
    /// The most bytes of `received`.
    package static let receivedBytes = 256

    /// `{"valid": …, "preset": …, "cause": …, "reason": …, "base": …, "baseBytes": …, "expected": …, "received": …}`.
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("valid", isValid)
            json.member("preset", preset.rawValue)
            json.member("cause", orNull: cause?.rawValue)
            json.member("reason", orNull: reason)
            json.member("base", utf8: base)
            json.member("baseBytes", baseByteCount)
            json.member("expected", orNull: expected)
            json.member("received", orNull: received)
        }
    }
}
