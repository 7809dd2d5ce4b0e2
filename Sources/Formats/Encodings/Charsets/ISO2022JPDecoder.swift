/// Section 13.2.1.
struct ISO2022JPDecoder: ByteDecoder {
    private enum State {
        case ascii, roman, katakana, leading, trailing, escapeStart, escape
    }

    private var state = State.ascii
    private var outputState = State.ascii
    private var leading: UInt8 = 0
    /// Whether the last thing that was read is an escape sequence.
    private var hasSwitched = false
    private let index = DoubleByteIndex.jis0208

    mutating func take(_ byte: UInt8, _ text: inout DecodedText) {
        switch state {
        case .escapeStart: return takeEscapeStart(byte, &text)
        case .escape: return takeEscape(byte, &text)
        case .trailing where byte == 0x1b:
            state = .escapeStart
            return text.appendError()
        case .trailing: return takeTrailing(byte, &text)
        default: break
        }
        if byte == 0x1b {
            state = .escapeStart
            return
        }
        hasSwitched = false
        switch (state, byte) {
        case (.roman, 0x5c): text.append(0xa5)
        case (.roman, 0x7e): text.append(0x203e)
        case (.ascii, 0x0e), (.ascii, 0x0f), (.roman, 0x0e), (.roman, 0x0f): text.appendError()
        case (.ascii, ..<0x80), (.roman, ..<0x80): text.append(ascii: byte)
        case (.katakana, 0x21...0x5f): text.append(0xff61 - 0x21 + UInt32(byte))
        case (.leading, 0x21...0x7e): (leading, state) = (byte, .trailing)
        default: text.appendError()
        }
    }

    private mutating func takeTrailing(_ byte: UInt8, _ text: inout DecodedText) {
        state = .leading
        let pointer = (Int(leading) - 0x21) * 94 + Int(byte) - 0x21
        guard (0x21...0x7e).contains(byte), index.indices.contains(pointer), index[pointer] != 0 else {
            return text.appendError()
        }
        text.append(index[pointer])
    }

    private mutating func takeEscapeStart(_ byte: UInt8, _ text: inout DecodedText) {
        guard byte != 0x24, byte != 0x28 else {
            (leading, state) = (byte, .escape)
            return
        }
        (hasSwitched, state) = (false, outputState)
        text.appendError()
        take(byte, &text)
    }

    private mutating func takeEscape(_ byte: UInt8, _ text: inout DecodedText) {
        let first = leading
        leading = 0
        let next: State? =
            switch (first, byte) {
            case (0x28, 0x42): .ascii
            case (0x28, 0x4a): .roman
            case (0x28, 0x49): .katakana
            case (0x24, 0x40), (0x24, 0x42): .leading
            default: nil
            }
        if let next {
            (state, outputState) = (next, next)
            // A sequence directly after another one is an error.
            if hasSwitched { text.appendError() }
            hasSwitched = true
            return
        }
        (hasSwitched, state) = (false, outputState)
        text.appendError()
        take(first, &text)
        take(byte, &text)
    }

    mutating func end(_ text: inout DecodedText) {
        switch state {
        case .trailing, .escapeStart: text.appendError()
        case .escape:
            let first = leading
            state = outputState
            text.appendError()
            // The byte after the escape is read again, and may begin a character.
            take(first, &text)
            if state == .trailing { text.appendError() }
        default: break
        }
        self = ISO2022JPDecoder()
    }
}
