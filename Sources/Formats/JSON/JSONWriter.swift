/// Writes JSON in the layout of Python's `json.dumps`, which the services that Postroom replaces use: only ASCII, `", "`
/// between members and `": "` after a name.
///
/// The caller begins and ends objects, arrays and texts; the writer adds the commas.
package struct JSONWriter: Sendable {
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init(reserving count: Int = 0) { bytes.reserveCapacity(count) }

    /// Returns the bytes written so far and removes them. Further writes continue the same text.
    package mutating func takeBytes() -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    private mutating func separate() {
        if needsComma {
            bytes.append(UInt8(ascii: ","))
            bytes.append(UInt8(ascii: " "))
        }
        needsComma = true
    }

    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    /// Writes a member's name; its value must be written next.
    package mutating func name(_ name: String) {
        separate()
        quote(name.utf8)
        bytes.append(UInt8(ascii: ":"))
        bytes.append(UInt8(ascii: " "))
        needsComma = false
    }

    package mutating func string(_ text: String) {
        separate()
        quote(text.utf8)
    }

    /// Writes a text of UTF-8 bytes; bytes that are not UTF-8 become U+FFFD.
    package mutating func string(utf8 text: some Collection<UInt8>) {
        separate()
        quote(text)
    }

    /// Begins a text that is written in pieces: `piece` any number of times, then `endString`.
    package mutating func beginString() {
        separate()
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes the next piece of a text, as UTF-8 bytes. A character must not be split between two pieces.
    package mutating func piece(utf8 text: some Collection<UInt8>) { escape(text) }

    package mutating func endString() { bytes.append(UInt8(ascii: "\"")) }

    package mutating func integer(_ value: some BinaryInteger) {
        separate()
        bytes += String(value).utf8
    }

    package mutating func bool(_ value: Bool) {
        separate()
        bytes += (value ? "true" : "false").utf8
    }

    package mutating func null() {
        separate()
        bytes += "null".utf8
    }

    /// Writes a value whose text is known to be JSON; it is copied unchanged.
    package mutating func value(text: some Collection<UInt8>) {
        separate()
        bytes += text
    }

    package mutating func value(_ value: JSON) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .number(let text):
            separate()
            bytes += text.utf8
        case .string(let text): string(text)
        case .array(let values):
            beginArray()
            for value in values { self.value(value) }
            endArray()
        case .object(let members):
            beginObject()
            for member in members {
                name(member.name)
                self.value(member.value)
            }
            endObject()
        }
    }

    private mutating func quote(_ text: some Collection<UInt8>) {
        bytes.append(UInt8(ascii: "\""))
        escape(text)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ text: some Collection<UInt8>) {
        let done: Void? = text.withContiguousStorageIfAvailable { storage in
            escape(unsafe storage.span)
        }
        if done == nil { escape(Array(text).span) }
    }

    /// Copies runs of plain ASCII at once, and escapes everything else character by character.
    private mutating func escape(_ text: Span<UInt8>) {
        var index = 0
        while index < text.count {
            let start = index
            while index < text.count, text[index] >= 0x20, text[index] < 0x7f,
                text[index] != UInt8(ascii: "\""), text[index] != UInt8(ascii: "\\")
            {
                index += 1
            }
            if index > start {
                unsafe text.withUnsafeBufferPointer { all in
                    unsafe bytes.append(contentsOf: UnsafeBufferPointer(rebasing: all[start..<index]))
                }
            }
            guard index < text.count else { return }
            if text[index] < 0x80 {
                escape(ascii: text[index])
                index += 1
            } else {
                index = escape(multibyteAt: index, in: text)
            }
        }
    }

    private mutating func escape(ascii byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case 0x08: bytes += #"\b"#.utf8
        case 0x0c: bytes += #"\f"#.utf8
        case 0x0a: bytes += #"\n"#.utf8
        case 0x0d: bytes += #"\r"#.utf8
        case 0x09: bytes += #"\t"#.utf8
        default: escape(unit: UInt16(byte))
        }
    }

    /// Writes the character that begins at `start`, and returns where the next one begins. In an ill-formed sequence,
    /// the longest part that could have begun a character becomes one U+FFFD (Unicode, section 3.9).
    private mutating func escape(multibyteAt start: Int, in text: Span<UInt8>) -> Int {
        let first = text[start]
        let length: Int
        var lower: UInt8 = 0x80
        var upper: UInt8 = 0xbf
        switch first {
        case 0xc2...0xdf: length = 2
        case 0xe0: (length, lower) = (3, 0xa0)
        case 0xed: (length, upper) = (3, 0x9f)
        case 0xe1...0xef: length = 3
        case 0xf0: (length, lower) = (4, 0x90)
        case 0xf4: (length, upper) = (4, 0x8f)
        case 0xf1...0xf3: length = 4
        default:
            escape(unit: 0xfffd)
            return start + 1
        }
        var scalar = UInt32(first & (0x7f >> UInt8(length)))
        for offset in 1..<length {
            guard start + offset < text.count, (lower...upper).contains(text[start + offset]) else {
                escape(unit: 0xfffd)
                return start + offset
            }
            scalar = scalar << 6 | UInt32(text[start + offset] & 0x3f)
            (lower, upper) = (0x80, 0xbf)
        }
        if scalar < 0x10000 {
            escape(unit: UInt16(scalar))
        } else {
            escape(unit: UInt16(0xd800 + (scalar - 0x10000) >> 10))
            escape(unit: UInt16(0xdc00 + (scalar - 0x10000) & 0x3ff))
        }
        return start + length
    }

    private mutating func escape(unit: UInt16) {
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(UInt8(ascii: "u"))
        for shift in [UInt16(12), 8, 4, 0] {
            let digit = UInt8(unit >> shift & 0xf)
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
