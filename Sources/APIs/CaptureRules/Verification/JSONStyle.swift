internal import JSON

/// A way to write JSON that is common in other languages.
struct JSONStyle {
    /// As the end of a sentence: "written without blanks".
    let name: String
    var comma = ","
    var colon = ":"
    /// Blanks for each level; `nil` for one line.
    var indentation: Int?
    var sortsNames = false
    /// Whether only ASCII is written.
    var isASCII = false
    var escapesSlashes = false
    /// Whether `<`, `>` and `&` are written as escapes.
    var escapesHTML = false

    static let all: [JSONStyle] = [
        JSONStyle(name: "without blanks"),
        JSONStyle(name: "by Python's json.dumps", comma: ", ", colon: ": ", isASCII: true),
        JSONStyle(name: "with a blank after each comma and colon", comma: ", ", colon: ": "),
        JSONStyle(name: "without blanks and with escapes for all but ASCII", isASCII: true),
        JSONStyle(name: "by PHP's json_encode", isASCII: true, escapesSlashes: true),
        JSONStyle(name: "without blanks and with escaped slashes", escapesSlashes: true),
        JSONStyle(name: "by Go's json.Marshal", sortsNames: true, escapesHTML: true),
        JSONStyle(name: "without blanks and with sorted names", sortsNames: true),
        JSONStyle(
            name: "by Python's json.dumps with sorted names", comma: ", ", colon: ": ", sortsNames: true, isASCII: true),
        JSONStyle(name: "with two blanks for each level", colon: ": ", indentation: 2),
        JSONStyle(name: "with four blanks for each level", colon: ": ", indentation: 4),
        JSONStyle(
            name: "by Python's json.dumps with four blanks for each level", colon: ": ", indentation: 4, isASCII: true),
    ]

    /// - Returns: `nil` if the text would be longer than `maximumBytes`: indentation can make it a thousand times longer.
    func text(of json: JSON, maximumBytes: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        write(json, depth: 0, to: &bytes, maximumBytes)
        return bytes.count <= maximumBytes ? bytes : nil
    }

    private func write(_ json: JSON, depth: Int, to bytes: inout [UInt8], _ limit: Int) {
        guard bytes.count <= limit else { return }
        switch json {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .number(let text): bytes += text.utf8
        case .string(let text): write(text, to: &bytes)
        case .array(let values):
            write(values, "[", "]", depth: depth, to: &bytes, limit) { value, bytes in
                write(value, depth: depth + 1, to: &bytes, limit)
            }
        case .object(let members):
            let sorted =
                sortsNames
                ? members.sorted { $0.name.unicodeScalars.lexicographicallyPrecedes($1.name.unicodeScalars) } : members
            write(sorted, "{", "}", depth: depth, to: &bytes, limit) { member, bytes in
                write(member.name, to: &bytes)
                bytes += colon.utf8
                write(member.value, depth: depth + 1, to: &bytes, limit)
            }
        }
    }

    private func write<Item>(
        _ items: [Item], _ open: String, _ close: String, depth: Int, to bytes: inout [UInt8],
        _ limit: Int, _ write: (Item, inout [UInt8]) -> Void
    ) {
        bytes += open.utf8
        for (index, item) in items.enumerated() where bytes.count <= limit {
            if index > 0 { bytes += comma.utf8 }
            beginLine(depth + 1, &bytes)
            write(item, &bytes)
        }
        if !items.isEmpty { beginLine(depth, &bytes) }
        bytes += close.utf8
    }

    private func beginLine(_ depth: Int, _ bytes: inout [UInt8]) {
        guard let indentation else { return }
        bytes.append(0x0a)
        bytes += [UInt8](repeating: 0x20, count: indentation * depth)
    }

    private func write(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        defer { bytes.append(UInt8(ascii: "\"")) }
        guard !text.utf8.allSatisfy(isPlain) else {
            bytes += text.utf8
            return
        }
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": bytes += #"\""#.utf8
            case "\\": bytes += #"\\"#.utf8
            case "\u{8}": bytes += #"\b"#.utf8
            case "\u{c}": bytes += #"\f"#.utf8
            case "\n": bytes += #"\n"#.utf8
            case "\r": bytes += #"\r"#.utf8
            case "\t": bytes += #"\t"#.utf8
            case "/" where escapesSlashes: bytes += #"\/"#.utf8
            case "<" where escapesHTML, ">" where escapesHTML, "&" where escapesHTML: escape(scalar, &bytes)
            default:
                if scalar.value < 0x20 || isASCII && scalar.value > 0x7e {
                    escape(scalar, &bytes)
                } else {
                    bytes += String(scalar).utf8
                }
            }
        }
    }

    /// Whether this style writes the byte of a text as it is.
    private func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case ..<0x20, UInt8(ascii: "\""), UInt8(ascii: "\\"): false
        case 0x7f...: !isASCII
        case UInt8(ascii: "/"): !escapesSlashes
        case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"): !escapesHTML
        default: true
        }
    }

    private func escape(_ scalar: Unicode.Scalar, _ bytes: inout [UInt8]) {
        for unit in String(scalar).utf16 {
            let digits = String(unit, radix: 16)
            bytes += (#"\u"# + String(repeating: "0", count: 4 - digits.count) + digits).utf8
        }
    }
}
