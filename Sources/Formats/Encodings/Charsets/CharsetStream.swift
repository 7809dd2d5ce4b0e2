/// Converts a text of another encoding to UTF-8 as its bytes arrive, without holding all of it.
package final class CharsetStream {
    private var decoder: Decoder
    /// The first bytes, until it is known whether they are a byte order mark.
    private var start: [UInt8]? = []
    private let isUTF16: Bool

    private enum Decoder {
        case standard(any ByteDecoder)
        case library(LibraryConverter)
    }

    /// - Returns: `nil` for UTF-8, and if the C library does not have the converter.
    package init?(_ charset: Charset) {
        switch charset.method {
        case .utf8: return nil
        case .standard(let name):
            guard let found = Charset.decoder(name) else { return nil }
            decoder = .standard(found)
            isUTF16 = name == Charset.utf16
        case .library(let name):
            guard let found = LibraryConverter(name) else { return nil }
            decoder = .library(found)
            isUTF16 = false
        }
    }

    /// Converts the next bytes.
    /// - Parameter isLast: whether these are the last bytes.
    /// - Returns: whole characters in UTF-8; `nil` if the bytes are not valid in the encoding.
    package func decode(_ bytes: some Collection<UInt8>, isLast: Bool) -> [UInt8]? {
        let bytes = withoutMark(bytes, isLast: isLast)
        switch decoder {
        case .library(let converter): return converter.convert(bytes, isLast: isLast)
        case .standard(var standard):
            var text = DecodedText(reserving: bytes.count)
            standard.take(bytes[...], &text)
            if isLast { standard.end(&text) }
            decoder = .standard(standard)
            return text.errors == 0 ? text.takeBytes() : nil
        }
    }

    /// Converts a whole text, with U+FFFD for bytes that are not valid.
    func decoded(_ bytes: [UInt8]) -> (text: [UInt8], isExact: Bool) {
        let bytes = withoutMark(bytes, isLast: true)
        switch decoder {
        case .library(let converter):
            guard let text = converter.convert(bytes, isLast: true) else {
                // What the C library does not decode is shown as if it were UTF-8.
                return (Array(String(decoding: bytes, as: UTF8.self).utf8), false)
            }
            return (text, true)
        case .standard(var standard):
            var text = DecodedText(reserving: bytes.count)
            standard.take(bytes[...], &text)
            standard.end(&text)
            let isExact = text.errors == 0
            return (text.takeBytes(), isExact)
        }
    }

    /// The bytes without the mark of UTF-16 at the beginning of the text.
    private func withoutMark(_ bytes: some Collection<UInt8>, isLast: Bool) -> [UInt8] {
        guard isUTF16, var begun = start else { return Array(bytes) }
        begun += bytes
        guard begun.count >= 2 || isLast else {
            start = begun
            return []
        }
        start = nil
        guard let mark = Charset.byteOrderMark(of: begun), case .standard(let name) = mark.charset.method else {
            return begun
        }
        decoder = Charset.decoder(name).map(Decoder.standard) ?? decoder
        return Array(begun.dropFirst(mark.byteCount))
    }
}
