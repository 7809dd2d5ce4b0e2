/// A pattern in which `*` stands for any bytes, none included. A match takes time in proportion to the bytes that are
/// compared, whatever the pattern is.
struct Glob: Equatable, Sendable {
    /// The text between the asterisks.
    private let pieces: [Piece]

    init(_ text: String) {
        pieces = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map {
            Piece(Array($0))
        }
    }

    func matches(_ bytes: [UInt8]) -> Bool {
        let (first, last) = (pieces[0].bytes, pieces[pieces.count - 1].bytes)
        guard pieces.count > 1 else { return bytes == first }
        guard bytes.count >= first.count + last.count, bytes.starts(with: first),
            bytes.suffix(last.count).elementsEqual(last)
        else { return false }
        // Between the two, the first place of each piece leaves the most room for those that follow.
        var rest = bytes[first.count..<(bytes.count - last.count)]
        for piece in pieces[1..<(pieces.count - 1)] {
            guard let end = piece.end(in: rest) else { return false }
            rest = rest[end...]
        }
        return true
    }

    /// A text to find by the algorithm of Knuth, Morris and Pratt, which looks at each byte once.
    private struct Piece: Equatable, Sendable {
        let bytes: [UInt8]
        /// For each prefix, the length of its longest proper prefix that is also its suffix.
        private let borders: [Int]

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            var borders = [Int](repeating: 0, count: bytes.count)
            var length = 0
            for index in bytes.indices.dropFirst() {
                while length > 0, bytes[index] != bytes[length] { length = borders[length - 1] }
                if bytes[index] == bytes[length] { length += 1 }
                borders[index] = length
            }
            self.borders = borders
        }

        /// The index after the first occurrence; `nil` if there is none.
        func end(in text: ArraySlice<UInt8>) -> Int? {
            guard !bytes.isEmpty else { return text.startIndex }
            var length = 0
            for index in text.indices {
                while length > 0, text[index] != bytes[length] { length = borders[length - 1] }
                if text[index] == bytes[length] { length += 1 }
                if length == bytes.count { return index + 1 }
            }
            return nil
        }
    }
}
