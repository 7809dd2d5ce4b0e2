package import Encodings
package import HTTP

/// How the bytes of a body are read, by the header fields of its request. It is decided once, when the request arrives.
package struct BodyReading: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// UTF-8.
        case text
        /// Text in another encoding, by the label that the request gives.
        case encodedText(String)
        /// Bytes that are not text, or not valid in the declared encoding.
        case binary
    }

    /// The content coding that is undone to read the body; `nil` if there is none, or none that is known.
    package let coding: ContentCoding?
    /// How many bytes the decompressed body has; 0 without `coding`.
    package let decodedBytes: Int
    /// What the decompressed body is.
    package let kind: Kind
    package let fault: BodyFault?

    package init(
        coding: ContentCoding? = nil, decodedBytes: Int = 0, kind: Kind = .text, fault: BodyFault? = nil
    ) {
        self.coding = coding
        self.decodedBytes = decodedBytes
        self.kind = kind
        self.fault = fault
    }

    /// Whether the body as sent is the UTF-8 of its text.
    package var isVerbatim: Bool { coding == nil && kind == .text }

    /// A body without its content coding, as far as it can be decompressed.
    func decoded(_ body: [UInt8]) -> [UInt8] {
        guard let coding else { return body }
        return decompressedPrefix(body, coding, limit: decodedBytes).bytes
    }

    /// The UTF-8 of a decompressed body; `nil` if it is not text.
    func text(_ decoded: [UInt8]) -> [UInt8]? {
        switch kind {
        case .text: decoded
        case .encodedText(let label): Charset(label: label)?.decode(decoded)
        case .binary: nil
        }
    }
}

/// What prevents a body from being read as its header fields say.
package enum BodyFault: UInt8, CaseIterable, Sendable {
    // The numbers are stored.
    case unknownCoding = 1
    case incompleteData
    case corruptData
    case unknownCharset
    case invalidText

    /// As clients see it.
    package var name: String {
        switch self {
        case .unknownCoding: "unknown-coding"
        case .incompleteData: "incomplete-data"
        case .corruptData: "corrupt-data"
        case .unknownCharset: "unknown-charset"
        case .invalidText: "invalid-text"
        }
    }

    /// The end of a sentence that begins with "The body cannot be read: ".
    package var text: String {
        switch self {
        case .unknownCoding: "its content coding is not known"
        case .incompleteData: "its compressed data is incomplete"
        case .corruptData: "its compressed data is corrupt"
        case .unknownCharset: "its charset is not known"
        case .invalidText: "it is not valid in its charset"
        }
    }
}

extension BodyReading {
    /// Decides how a body is read. A compressed one is decompressed for that, but never held as a whole.
    /// - Parameter limit: the most bytes that the decompressed body may have.
    package init(of body: [UInt8], _ fields: FieldList, limit: Int) throws(BodyRefusal) {
        guard !body.isEmpty else {
            self.init()
            return
        }
        let label = fields.mediaType?.parameter("charset") ?? ""
        let charset = Charset(label: label)
        var (coding, fault) = Self.coding(fields)
        if coding == nil, charset == .utf8 {
            // Nearly all bodies.
            let isText = isUTF8(body)
            if !isText, !label.isEmpty { fault = fault ?? .invalidText }
            self.init(kind: isText ? .text : .binary, fault: fault)
            return
        }
        var decodedBytes = 0
        var text = TextScan(charset)
        if let coding {
            fault = try Self.inflate(body, coding, limit: limit) { piece in
                decodedBytes += piece.count
                text.take(piece, isLast: false)
            }
            text.take([], isLast: true)
        } else {
            text.takeAll(body)
        }
        let kind: Kind = !text.isValid ? .binary : text.isUTF8 ? .text : .encodedText(label)
        if !text.isValid, !label.isEmpty { fault = fault ?? (charset == nil ? .unknownCharset : .invalidText) }
        self.init(coding: coding, decodedBytes: decodedBytes, kind: kind, fault: fault)
    }

    /// Whether it takes long to decide how a body is read: a few kilobytes may decompress to a thousand times as many.
    static func takesLong(of body: [UInt8], _ fields: FieldList) -> Bool {
        guard body.count > longCompressedBytes else { return false }
        if coding(fields).coding != nil { return true }
        return body.count > longEncodedBytes && Charset(label: fields.mediaType?.parameter("charset") ?? "") != .utf8
    }

    private static let longCompressedBytes = 4 << 10
    private static let longEncodedBytes = 64 << 10

    static func coding(_ fields: FieldList) -> (coding: ContentCoding?, fault: BodyFault?) {
        guard let field = fields.firstValue(of: "content-encoding") else { return (nil, nil) }
        let name = String(decoding: field.withoutOuterBlanks, as: UTF8.self)
        if let coding = ContentCoding(name) { return (coding, nil) }
        return (nil, name.isEmpty || name.lowercased() == "identity" ? nil : .unknownCoding)
    }

    private static func inflate(
        _ body: [UInt8], _ coding: ContentCoding, limit: Int, _ take: ([UInt8]) -> Void
    ) throws(BodyRefusal) -> BodyFault? {
        let stream = InflateStream(coding)
        stream.add(body, isLast: true)
        var count = 0
        do throws(DecompressionError) {
            while let piece = try stream.next(atMost: TextScan.pieceBytes) {
                count += piece.count
                guard count <= limit else { break }
                take(piece)
            }
        } catch {
            return error == .truncated ? .incompleteData : .corruptData
        }
        guard count <= limit else { throw .tooLarge }
        return nil
    }
}

/// Checks whether the bytes of a body are text, piece by piece.
private struct TextScan {
    private(set) var isValid: Bool
    /// Whether the bytes are the same in UTF-8.
    private(set) var isUTF8 = true
    private var pieces = TextPieces()
    private let decoder: CharsetStream?

    static let pieceBytes = 64 << 10

    /// - Parameter charset: `nil` if it is not known.
    init(_ charset: Charset?) {
        let isUTF8 = charset == .utf8
        decoder = isUTF8 ? nil : charset.flatMap { CharsetStream($0) }
        isValid = isUTF8 || decoder != nil
    }

    mutating func takeAll(_ body: [UInt8]) {
        guard isValid, decoder != nil else {
            isValid = isValid && Encodings.isUTF8(body)
            return
        }
        var start = 0
        repeat {
            let end = min(start + Self.pieceBytes, body.count)
            take(Array(body[start..<end]), isLast: end == body.count)
            start = end
        } while start < body.count
    }

    mutating func take(_ bytes: [UInt8], isLast: Bool) {
        guard isValid else { return }
        guard let decoder else {
            _ = pieces.take(bytes, isLast: isLast)
            isValid = pieces.isUTF8
            return
        }
        guard let text = decoder.decode(bytes, isLast: isLast) else {
            isValid = false
            return
        }
        if text != bytes { isUTF8 = false }
    }
}
