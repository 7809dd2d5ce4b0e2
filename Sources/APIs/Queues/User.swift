internal import Encodings
internal import HTTP

/// A user of the queue API.
package struct User: Equatable, Sendable {
    /// Numbers users in the order they were first configured. A user who is removed and added again gets a new number.
    package let number: UInt64
    package let name: String
    package var hash: PasswordHash
    package let mayReload: Bool

    package init(number: UInt64, name: String, hash: PasswordHash, mayReload: Bool) {
        self.number = number
        self.name = name
        self.hash = hash
        self.mayReload = mayReload
    }
}

/// A name and a password, as sent by a client (RFC 7617, section 2).
struct Credentials: Equatable {
    let name: String
    let password: [UInt8]

    /// `nil` if the request has no credentials, or they cannot be decoded.
    init?(_ request: Request) {
        guard let field = request.fields.joinedValue(of: "Authorization") else { return nil }
        let blank = UInt8(ascii: " ")
        let scheme = field.prefix { $0 != blank }
        let token = field[scheme.endIndex...].drop { $0 == blank }
        guard String(decoding: scheme, as: UTF8.self).lowercased() == "basic", !token.isEmpty,
            let decoded = Base64.standard.decode(token), String(validating: decoded, as: UTF8.self) != nil,
            let colon = decoded.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        name = String(decoding: decoded[..<colon], as: UTF8.self)
        password = Array(decoded[(colon + 1)...])
    }
}
