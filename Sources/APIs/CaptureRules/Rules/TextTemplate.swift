internal import Cryptography
internal import HTTP
internal import JSON

/// A text with placeholders. A brace that does not begin a placeholder is a brace: JSON needs no escapes.
struct TextTemplate: Sendable {
    private enum Piece: Sendable {
        case text([UInt8])
        case placeholder(Placeholder)
    }

    /// How the values of placeholders are written.
    enum Context: Sendable {
        case plain
        /// A string is written with JSON's escapes, for use between quotes; other values are written as JSON.
        case json
        /// Control characters become blanks, so that a value cannot begin another header field.
        case header
    }

    /// The expanded text would be longer than allowed.
    struct TooLong: Error {}

    private var pieces: [Piece] = []

    /// The text without its placeholders.
    var literal: [UInt8] {
        pieces.flatMap { piece -> [UInt8] in
            guard case .text(let bytes) = piece else { return [] }
            return bytes
        }
    }

    var isEmpty: Bool { pieces.isEmpty }

    /// What is wrong with a text such as `{hmac-md5-hex:body}`, which is not a placeholder but was meant as one; `nil` if there
    /// is no such text.
    var unknownPlaceholder: String? {
        let text = String(decoding: literal, as: UTF8.self)
        guard let found = text.firstMatch(of: #/\{(hmac-[A-Za-z0-9-]*):/#) else { return nil }
        let known = Placeholder.algorithms.map(\.rawValue).joined(separator: ", ")
        return "{\(found.1):…} must be {hmac-A-E:…} with A one of \(known), and E hex or base64"
    }

    var usesSecret: Bool {
        pieces.contains { if case .placeholder(let placeholder) = $0 { placeholder.usesSecret } else { false } }
    }

    init(_ text: String) throws(InvalidPlaceholder) {
        let text = Array(text.utf8)
        var plain: [UInt8] = []
        var count = 0
        var index = 0
        while index < text.count {
            guard text[index] == UInt8(ascii: "{"),
                let (placeholder, end) = try Self.placeholder(after: index, in: text)
            else {
                plain.append(text[index])
                index += 1
                continue
            }
            count += 1
            guard count <= RuleLimits.placeholders else {
                throw InvalidPlaceholder("must have at most \(RuleLimits.placeholders) placeholders")
            }
            if !plain.isEmpty { pieces.append(.text(plain)) }
            plain = []
            pieces.append(.placeholder(placeholder))
            index = end
        }
        if !plain.isEmpty { pieces.append(.text(plain)) }
    }

    private static let kinds = ["body}", "json:", "query:", "header:", "form:", "hmac-"]
    /// The most bytes between the braces of a placeholder.
    private static let placeholderBytes = RuleLimits.queryBytes + 64

    /// The placeholder that an opening brace begins, and the index after it; `nil` if it is another brace.
    private static func placeholder(
        after brace: Int, in text: [UInt8]
    ) throws(InvalidPlaceholder) -> (Placeholder, Int)? {
        let inside = text[(brace + 1)...].prefix(placeholderBytes + 1)
        guard let kind = kinds.first(where: { inside.starts(with: $0.utf8) }) else { return nil }
        guard let end = end(of: inside) else {
            if kind == "hmac-" { return nil }
            throw InvalidPlaceholder(
                "a placeholder that begins with {\(kind) must end with } after at most \(placeholderBytes) bytes")
        }
        let content = String(decoding: inside[..<end], as: UTF8.self)
        guard let placeholder = try Placeholder(content[...]) else { return nil }
        return (placeholder, end + 1)
    }

    /// The index of the closing brace. Braces within the quotes of a JSONPath query do not count.
    private static func end(of inside: ArraySlice<UInt8>) -> Int? {
        let kinds = inside.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
        let hasQuery = kinds.dropLast().contains { $0.elementsEqual("json".utf8) }
        var quote: UInt8?
        var isEscaped = false
        for (index, byte) in zip(inside.indices, inside) {
            if isEscaped {
                isEscaped = false
            } else if quote != nil {
                if byte == UInt8(ascii: "\\") { isEscaped = true }
                if byte == quote { quote = nil }
            } else if byte == UInt8(ascii: "}") {
                return index
            } else if hasQuery, byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
                quote = byte
            }
        }
        return nil
    }

    /// The text with the values of its placeholders; one that the request does not have is empty.
    func expanded(
        for request: ReceivedRequest, secret: [UInt8], _ context: Context, maximumBytes: Int
    ) throws(TooLong) -> [UInt8] {
        var text: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .text(let bytes): text += bytes
            case .placeholder(let placeholder):
                guard let value = placeholder.value(in: request, secret: secret) else { continue }
                // Escapes only make it longer.
                guard text.count + value.bytes.count <= maximumBytes else { throw TooLong() }
                text += Self.written(value, context)
            }
            guard text.count <= maximumBytes else { throw TooLong() }
        }
        return text
    }

    private static func written(_ value: Placeholder.Value, _ context: Context) -> [UInt8] {
        switch context {
        case .plain: return value.bytes
        case .json where value.isJSON: return value.bytes
        case .json: return Array(valueJSON { json in json.string(utf8: value.bytes) }.dropFirst().dropLast())
        case .header: return value.bytes.map { $0.isFieldControl ? 0x20 : $0 }
        }
    }
}
