internal import Encodings
internal import HTTP
internal import Values

/// Reads a notification's body from the store, piece by piece.
struct StoredBody {
    let number: UInt64
    /// The length of the body as it was sent.
    let bodyBytes: Int
    private let coding: ContentCoding?
    /// `nil` if the bytes are read as they were sent.
    private let inflater: InflateStream?
    private var offset = 0

    /// Divisible by three, so that Base64 can be written in pieces.
    private static let pieceBytes = 6 << 10

    /// - Parameter isDecoded: whether the content coding is undone.
    init(_ piece: NotificationPiece, isDecoded: Bool) {
        self.init(
            piece.numbered.number, bodyBytes: piece.bodyBytes, piece.numbered.notification.reading.coding,
            isDecoded: isDecoded)
    }

    /// The same body, from its beginning.
    init(_ other: StoredBody, isDecoded: Bool) {
        self.init(other.number, bodyBytes: other.bodyBytes, other.coding, isDecoded: isDecoded)
    }

    private init(_ number: UInt64, bodyBytes: Int, _ coding: ContentCoding?, isDecoded: Bool) {
        self.number = number
        self.bodyBytes = bodyBytes
        self.coding = coding
        inflater = isDecoded ? coding.map { InflateStream($0) } : nil
    }

    /// The next bytes, and whether they are the last ones. A body that cannot be decompressed ends where the fault is.
    mutating func next(
        _ store: any CaptureStore, _ range: NotificationRange
    ) async throws(StoreFailure) -> (bytes: [UInt8], isLast: Bool) {
        guard let inflater else {
            let bytes = try await read(store, range)
            return (bytes, offset == bodyBytes)
        }
        while inflater.needsInput {
            let bytes = try await read(store, range)
            inflater.add(bytes, isLast: offset == bodyBytes)
        }
        do throws(DecompressionError) {
            guard let bytes = try inflater.next(atMost: Self.pieceBytes) else { return ([], true) }
            return (bytes, false)
        } catch {
            return ([], true)
        }
    }

    private mutating func read(_ store: any CaptureStore, _ range: NotificationRange) async throws(StoreFailure)
        -> [UInt8]
    {
        let end = min(offset + Self.pieceBytes, bodyBytes)
        guard let bytes = try await store.body(of: range, at: number, bytes: offset..<end, of: bodyBytes) else {
            throw .unavailable("a notification was removed while it was read")
        }
        offset = end
        return bytes
    }
}

extension BodyPieces {
    /// The bytes of one notification's body.
    convenience init(_ body: StoredBody, _ range: NotificationRange, _ store: any CaptureStore) {
        var body = body
        self.init { () async throws(StoreFailure) in try await body.next(store, range) }
    }
}
