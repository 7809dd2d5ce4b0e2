extension UInt8 {
    /// Whether a token may have this byte (RFC 9110, section 5.6.2).
    package var isTokenByte: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }

    /// Whether the byte is a control character that a field's value must not contain (section 5.5): any but the tab.
    package var isFieldControl: Bool {
        switch self {
        case 0x09: false
        case ..<0x20, 0x7f: true
        default: false
        }
    }

    /// Whether the byte is a blank or a tab, which may surround values (section 5.6.3).
    package var isFieldBlank: Bool { self == 0x20 || self == 0x09 }
}

extension ArraySlice<UInt8> {
    /// The bytes without blanks and tabs at both ends.
    package var withoutOuterBlanks: ArraySlice<UInt8> {
        var rest = drop(while: \.isFieldBlank)
        while let last = rest.last, last.isFieldBlank { rest.removeLast() }
        return rest
    }
}
