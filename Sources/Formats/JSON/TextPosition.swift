/// Line and column of an offset, both counted from 1; columns are bytes.
package struct TextPosition: Equatable, Sendable, CustomStringConvertible {
    package let line: Int
    package let column: Int

    /// - Parameter offset: bytes before the position; an offset past the end means the end.
    package init(of offset: Int, in text: [UInt8]) {
        let before = text[..<min(offset, text.count)]
        line = 1 + before.count { $0 == UInt8(ascii: "\n") }
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        column = before.count - lineStart + 1
    }

    package var description: String { "line \(line), column \(column)" }
}
