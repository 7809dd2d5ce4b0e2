internal import CaptureRules
internal import Encodings
internal import HTTP
internal import JSON
internal import Values

/// The body of a long answer, `{"notifications": [...]}`, made in parts as its client takes them. Each part reads what it
/// needs from the store. Between two parts only the notifications of one page are held in memory, and no long body.
final class NotificationParts: BodyParts {
    private let store: any CaptureStore
    private let now: () -> Moment
    private var range: NotificationRange
    private var number: UInt64
    private var page: [NotificationPiece] = []
    private var body: LongBody?
    private var json = JSONWriter()
    private var hasBegun = false
    private var isOver = false
    /// When the store was last asked to keep what was collected.
    private var kept: Timestamp

    /// A part ends with the piece that reaches this length.
    private static let partBytes = 48 << 10
    /// The bytes read from the store at a time.
    private static let pageBytes = 16 << 10
    /// How often the store is asked to keep what was collected; it keeps it for two minutes.
    private static let keepSeconds = 20.0

    init(_ range: NotificationRange, _ store: any CaptureStore, now: @escaping () -> Moment) {
        self.range = range
        self.store = store
        self.now = now
        number = range.first
        kept = now().steady
    }

    /// The next part; `nil` at the end of the body. Throws if a notification of the range is gone.
    func next() async throws(StoreFailure) -> [UInt8]? {
        guard !isOver else { return nil }
        if !hasBegun {
            hasBegun = true
            json.beginObject()
            json.name("notifications")
            json.beginArray()
        }
        try await keepCollected()
        while json.bytes.count < Self.partBytes, !isOver {
            if let body {
                if try await body.write(to: &json, store, range) { self.body = nil }
            } else if let piece = try await nextPiece() {
                write(piece)
            } else {
                json.endArray()
                json.endObject()
                isOver = true
            }
        }
        return json.takeBytes()
    }

    private func write(_ piece: NotificationPiece) {
        guard !piece.isWhole else { return piece.numbered.write(to: &json) }
        json.beginObject()
        piece.numbered.writeBeforeBody(to: &json)
        json.name("body")
        json.beginString()
        body = LongBody(piece)
    }

    private func nextPiece() async throws(StoreFailure) -> NotificationPiece? {
        if page.isEmpty, number < range.end {
            page = try await store.page(of: range, from: number, atMost: Self.pageBytes)
            // Numbers behind the last notification were skipped, or their records are damaged.
            if page.isEmpty { number = range.end }
        }
        guard !page.isEmpty else { return nil }
        let piece = page.removeFirst()
        number = piece.numbered.number + 1
        return piece
    }

    private func keepCollected() async throws(StoreFailure) {
        guard range.collectedBy != nil else { return }
        let moment = now()
        guard moment.steady.seconds(since: kept) >= Self.keepSeconds else { return }
        let first = body?.number ?? page.first?.numbered.number ?? number
        guard let range = try await store.keepCollected(range, from: first, at: moment) else {
            throw .unavailable("the notifications of a response were removed before they were sent")
        }
        self.range = range
        kept = moment.steady
    }

    /// The body of a notification that is longer than what is read at a time.
    private final class LongBody {
        private let head: NumberedNotification
        private var reader: StoredBody
        private let decoder: CharsetStream?
        private var text = TextPieces()
        /// Whether the text has been written, and the body's bytes as sent follow in Base64.
        private var isInBase64 = false

        init(_ piece: NotificationPiece) {
            let whole = piece.numbered.notification
            // Without the body and the fields, which are written already. The URL and a form need some of them.
            var fields = FieldList()
            if let host = whole.fields.firstValue(of: "host") { fields.append(name: "Host".utf8, value: host) }
            if let type = whole.fields.firstValue(of: "content-type") {
                fields.append(name: "Content-Type".utf8, value: type)
            }
            head = NumberedNotification(
                number: piece.numbered.number,
                notification: Notification(
                    method: whole.method, called: whole.called, path: whole.path, query: whole.query, fields: fields,
                    reading: whole.reading, receivedAt: whole.receivedAt, remote: whole.remote,
                    outcome: whole.outcome),
                confirmation: piece.numbered.confirmation, attempts: piece.numbered.attempts)
            reader = StoredBody(piece, isDecoded: true)
            decoder =
                if case .encodedText(let label) = whole.reading.kind {
                    Charset(label: label).flatMap { CharsetStream($0) }
                } else {
                    nil
                }
        }

        var number: UInt64 { head.number }

        /// Writes the next piece; true once the notification is complete.
        func write(
            to json: inout JSONWriter, _ store: any CaptureStore, _ range: NotificationRange
        ) async throws(StoreFailure) -> Bool {
            let (bytes, isLast) = try await reader.next(store, range)
            if isInBase64 {
                json.piece(utf8: Base64.standard.encode(bytes).utf8)
                guard isLast else { return false }
                json.endString()
                try await end(&json, store, range)
                return true
            }
            if let decoder {
                guard let decoded = decoder.decode(bytes, isLast: isLast) else {
                    throw .unavailable("the text of a notification does not match its character set")
                }
                json.piece(utf8: decoded)
            } else {
                json.piece(utf8: text.take(bytes, isLast: isLast))
            }
            guard isLast else { return false }
            json.endString()
            head.writeAfterBody(to: &json)
            guard !head.notification.reading.isVerbatim else {
                try await end(&json, store, range)
                return true
            }
            json.name("bodyBase64")
            json.beginString()
            (reader, isInBase64) = (StoredBody(reader, isDecoded: false), true)
            return false
        }

        /// Writes the form, whose body is read again as a whole, and ends the notification.
        private func end(
            _ json: inout JSONWriter, _ store: any CaptureStore, _ range: NotificationRange
        ) async throws(StoreFailure) {
            let reading = head.notification.reading
            let bytes = reading.coding == nil ? reader.bodyBytes : reading.decodedBytes
            if head.notification.mayBeForm, bytes <= ReceivedRequest.formBytes {
                var (body, isOver) = ([UInt8](), false)
                var reader = StoredBody(reader, isDecoded: true)
                while !isOver, body.count <= ReceivedRequest.formBytes {
                    let (bytes, isLast) = try await reader.next(store, range)
                    body += bytes
                    isOver = isLast
                }
                head.writeForm(body, to: &json)
            }
            json.endObject()
        }
    }
}
