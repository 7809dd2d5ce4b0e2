/// Encrypts secrets before they are stored, and decrypts them.
package struct Sealing: Sendable {
    /// The use of a sealed value. A value that was sealed for another use cannot be opened.
    package enum Purpose: String, Sendable, CaseIterable {
        case headers = "destination headers"
        case secret = "destination secret"
        case privateKey = "keyring private key"
        case auth = "subscription auth"
        case target = "subscription target"
        case receiver = "endpoint settings"

        /// The bytes that are authenticated together with the value.
        package var context: [UInt8] { Array(rawValue.utf8) }
    }

    package let seal: @Sendable (_ plain: [UInt8], _ purpose: Purpose) -> [UInt8]
    /// Returns `nil` for bytes that were not sealed here for this purpose.
    package let open: @Sendable (_ sealed: [UInt8], _ purpose: Purpose) -> [UInt8]?

    package init(
        seal: @escaping @Sendable (_ plain: [UInt8], _ purpose: Purpose) -> [UInt8],
        open: @escaping @Sendable (_ sealed: [UInt8], _ purpose: Purpose) -> [UInt8]?
    ) {
        self.seal = seal
        self.open = open
    }
}

extension HeaderField {
    /// The plain text of a destination's headers: a line `name:value` for each. Names and values have no line feed, names no
    /// colon.
    package static func lines(_ fields: [HeaderField]) -> [UInt8] {
        fields.flatMap { Array("\($0.name):\($0.value)\n".utf8) }
    }

    /// Reads what `lines` writes.
    package static func fields(lines: [UInt8]) -> [HeaderField]? {
        guard lines.isEmpty || lines.last == UInt8(ascii: "\n") else { return nil }
        var fields: [HeaderField] = []
        for line in lines.split(separator: UInt8(ascii: "\n")) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")),
                let name = String(validating: line[..<colon], as: UTF8.self),
                let value = String(validating: line[(colon + 1)...], as: UTF8.self)
            else { return nil }
            fields.append(HeaderField(name: name, value: value))
        }
        return fields
    }
}
