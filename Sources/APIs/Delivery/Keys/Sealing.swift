/// How what nobody shall read in a store is kept there.
package struct Sealing: Sendable {
    /// What a sealed value is for. A value that was sealed for something else does not open.
    package enum Purpose: String, Sendable, CaseIterable {
        case headers = "destination headers"
        case secret = "destination secret"
        case privateKey = "keyring private key"
        case auth = "subscription auth"
        case target = "subscription target"

        /// As it is authenticated with the value.
        package var context: [UInt8] { Array(rawValue.utf8) }
    }

    package let seal: @Sendable (_ plain: [UInt8], _ purpose: Purpose) -> [UInt8]
    /// `nil` for what was not sealed here, and so.
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
    /// The plain text of a destination's headers: a line `name:value` for each. Neither has a line feed, nor the name a colon.
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
