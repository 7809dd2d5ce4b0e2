internal import Encodings

/// The fields of a query, or of a body of `application/x-www-form-urlencoded` (url.spec.whatwg.org, section 5.1), as bytes.
package struct URLEncodedForm: Equatable, Sendable {
    package struct Field: Equatable, Sendable {
        package let name: [UInt8]
        package let value: [UInt8]
    }

    package let fields: [Field]
    /// How many `%` are not followed by two hexadecimal digits. They are kept as they are.
    package let brokenEscapes: Int
    /// Whether there were more fields than `maximumFields`.
    package let isCut: Bool

    package static let maximumFields = 1000

    package init(_ bytes: some Collection<UInt8>) {
        var fields: [Field] = []
        var brokenEscapes = 0
        var isCut = false
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let pair = rest.prefix { $0 != UInt8(ascii: "&") }
            rest = rest[pair.endIndex...].dropFirst()
            // Empty pairs, as in `a&&b`, are skipped.
            guard !pair.isEmpty else { continue }
            guard fields.count < Self.maximumFields else {
                isCut = true
                break
            }
            let name = pair.prefix { $0 != UInt8(ascii: "=") }
            let decodedName = Self.decoded(name, &brokenEscapes)
            let value = Self.decoded(pair[name.endIndex...].dropFirst(), &brokenEscapes)
            fields.append(Field(name: decodedName, value: value))
        }
        self.fields = fields
        self.brokenEscapes = brokenEscapes
        self.isCut = isCut
    }

    /// The values of all fields of a name, in their order.
    package func values(of name: String) -> [[UInt8]] {
        fields.filter { $0.name.elementsEqual(name.utf8) }.map(\.value)
    }

    private static func decoded(_ bytes: ArraySlice<UInt8>, _ brokenEscapes: inout Int) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            index += 1
            switch byte {
            case UInt8(ascii: "+"): decoded.append(0x20)
            case UInt8(ascii: "%"):
                if index + 2 <= bytes.endIndex, let high = hexadecimalDigit(bytes[index]),
                    let low = hexadecimalDigit(bytes[index + 1])
                {
                    decoded.append(high << 4 | low)
                    index += 2
                } else {
                    brokenEscapes += 1
                    decoded.append(byte)
                }
            default: decoded.append(byte)
            }
        }
        return decoded
    }
}
