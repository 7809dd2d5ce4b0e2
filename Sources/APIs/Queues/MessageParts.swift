internal import Cryptography
internal import Encodings
internal import HTTP
internal import JSON
internal import Values

/// The body of a long answer to a read, the original's MessageList, made in parts as its client takes them. Between two
/// parts only the messages of one page are held in memory, and no long message.
final class MessageParts: BodyParts {
    private let store: any QueueStore
    private let range: MessageRange
    private let current: UInt64
    private let time: UInt64
    /// The client whose read is undone if messages roll off before they are sent; `nil`: no read is undone.
    private let reader: ClientInterest?
    private var id: UInt64
    private var page: [MessagePiece] = []
    /// The message that is being written in pieces, and the position in it.
    private var long: (piece: MessagePiece, offset: Int, text: TextPieces, isInBase64: Bool)?
    private var json = JSONWriter()
    private var hasBegun = false
    private var isOver = false

    /// A part ends with the piece that reaches this length.
    private static let partBytes = 48 << 10
    /// The bytes read from the store at a time.
    private static let pageBytes = 16 << 10
    /// Divisible by three, so that Base64 can be written in pieces.
    private static let pieceBytes = 6 << 10

    init(
        _ range: MessageRange, current: UInt64, time: UInt64, _ store: any QueueStore,
        takingBackFrom reader: ClientInterest?
    ) {
        self.range = range
        self.current = current
        self.time = time
        self.store = store
        self.reader = reader
        id = range.after
    }

    /// The next part; `nil` at the end of the body. Throws if messages have rolled off.
    func next() async throws(StoreFailure) -> [UInt8]? {
        guard !isOver else { return nil }
        if !hasBegun {
            hasBegun = true
            json.beginObject()
            json.member("time", String(time))
            json.name("messages")
            json.beginArray()
        }
        while json.bytes.count < Self.partBytes, !isOver {
            if long != nil {
                try await writePiece()
            } else if let piece = try await nextPiece() {
                write(piece)
            } else {
                json.endArray()
                json.member("current_message", current)
                json.endObject()
                isOver = true
            }
        }
        return json.takeBytes()
    }

    private func nextPiece() async throws(StoreFailure) -> MessagePiece? {
        if page.isEmpty, id < range.last {
            guard let found = try await store.page(of: range, after: id, atMost: Self.pageBytes) else {
                throw try await broken()
            }
            page = found
            // The records of the last messages are damaged.
            if found.isEmpty { id = range.last }
        }
        guard !page.isEmpty else { return nil }
        let piece = page.removeFirst()
        id = piece.numbered.id
        return piece
    }

    private func broken() async throws(StoreFailure) -> StoreFailure {
        if let reader { try await store.takeBack(range, of: reader.client, reader.user) }
        return .unavailable("messages of a response were dropped from the queue before they were sent")
    }

    private func write(_ piece: MessagePiece) {
        guard !piece.isWhole else { return piece.numbered.write(to: &json) }
        json.beginObject()
        json.member("id", piece.numbered.id)
        json.name("message")
        json.beginString()
        let empty = Message(body: [], receivedAt: piece.numbered.message.receivedAt)
        let emptied = MessagePiece(
            numbered: NumberedMessage(id: piece.numbered.id, message: empty), bodyBytes: piece.bodyBytes)
        long = (emptied, 0, TextPieces(), false)
    }

    private func writePiece() async throws(StoreFailure) {
        guard let (piece, start, before, wasInBase64) = long else { return }
        var (offset, text, isInBase64) = (start, before, wasInBase64)
        let end = min(offset + Self.pieceBytes, piece.bodyBytes)
        guard let bytes = try await store.body(of: range, at: piece.numbered.id, bytes: offset..<end) else {
            throw try await broken()
        }
        let isLast = end == piece.bodyBytes
        if isInBase64 {
            json.piece(utf8: Base64.standard.encode(bytes).utf8)
        } else {
            json.piece(utf8: text.take(bytes, isLast: isLast))
        }
        offset = end
        if isLast {
            json.endString()
            guard !isInBase64, !text.isUTF8 else {
                json.endObject()
                long = nil
                return
            }
            json.name("messageBase64")
            json.beginString()
            (offset, isInBase64) = (0, true)
        }
        long = (piece, offset, text, isInBase64)
    }
}
