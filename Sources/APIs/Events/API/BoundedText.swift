internal import JSON
internal import Values

/// The JSON text of a value up to a length, for people: numbers as they were written, other letters than those of ASCII as they
/// are. A value of any size takes no longer than its beginning.
struct BoundedText {
    private(set) var bytes: [UInt8] = []
    /// Whether the text is only the beginning.
    private(set) var isCut = false

    init(of value: JSON, atMost limit: Int) {
        write(value, limit)
        guard bytes.count > limit else { return }
        isCut = true
        // A character that was written incompletely ends after `limit`.
        bytes = Array(String(decoding: bytes, as: UTF8.self).prefix(utf8Bytes: limit).utf8)
    }

    /// Writes a value, or so much of it that more than `limit` bytes are written. Recurses as deep as the value is nested.
    private mutating func write(_ value: JSON, _ limit: Int) {
        switch value {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .number(let text): bytes += text.utf8.prefix(limit + 1)
        case .string(let text): quote(text, limit)
        case .array(let values):
            bytes.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                guard bytes.count <= limit else { break }
                if index > 0 { bytes += ", ".utf8 }
                write(value, limit)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                guard bytes.count <= limit else { break }
                if index > 0 { bytes += ", ".utf8 }
                quote(member.name, limit)
                bytes += ": ".utf8
                write(member.value, limit)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private mutating func quote(_ text: String, _ limit: Int) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8.prefix(limit + 1) {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += #"\n"#.utf8
            case UInt8(ascii: "\r"): bytes += #"\r"#.utf8
            case UInt8(ascii: "\t"): bytes += #"\t"#.utf8
            case ..<0x20:
                let digits = String(byte, radix: 16)
                bytes += (byte < 0x10 ? #"\u000"# : #"\u00"#).utf8
                bytes += digits.utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
