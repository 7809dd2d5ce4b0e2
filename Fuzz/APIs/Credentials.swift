import HTTPTypes

@testable import Encodings
@testable import HTTP
@testable import Queues

/// The credentials of a header are read back the same when they are written again.
func fuzzCredentials(_ bytes: [UInt8]) {
    check(bytes)
    // Random bytes are rarely Base64.
    check(Array("Basic \(Base64.standard.encode(bytes))".utf8))
    if let text = String(validating: bytes, as: UTF8.self), let hash = PasswordHash(text) {
        require(hash.text == text, "another hash")
        _ = hash.isUsable
        // Argon2id takes long, at a cost that the hash itself sets.
        if hash.kind != .argon2id { _ = hash.accepts(bytes) }
    }
}

private func credentials(_ value: [UInt8]) -> Credentials? {
    var fields = FieldList()
    fields.append(name: "Authorization".utf8, value: value)
    return Credentials(Request(method: .get, target: Target(raw: [0x2f], mountPoint: []), fields: fields))
}

private func check(_ value: [UInt8]) {
    guard let found = credentials(value) else { return }
    require(!found.name.utf8.contains(UInt8(ascii: ":")), "a colon in the name")
    let text = Base64.standard.encode(Array(found.name.utf8) + [UInt8(ascii: ":")] + found.password)
    guard let again = credentials(Array("basic  \(text)".utf8)) else { fatalError("the written header is not read") }
    require(Array(again.name.utf8) == Array(found.name.utf8), "another name")
    require(again.password == found.password, "another password")
}
