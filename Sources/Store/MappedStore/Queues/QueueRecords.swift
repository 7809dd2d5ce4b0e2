internal import Cryptography
internal import HTTP
internal import Linux
internal import Queues
internal import Values

/// The settings of a queue as they are stored under its number.
enum QueueSettingsRecord: TableRecord {
    static let name = "a queue's settings"

    private static let version: UInt8 = 1

    static func encode(_ settings: QueueSettings) -> [UInt8] {
        var writer = ByteWriter(reserving: 128)
        writer.byte(version)
        writer.counted(settings.name.utf8)
        writer.number(settings.limits.messageCount)
        writer.number(settings.limits.messageBytes)
        writer.number(settings.limits.queueBytes)
        writer.number(UInt64(settings.allowedNetworks.count))
        for network in settings.allowedNetworks {
            writer.counted(network.address.bytes)
            writer.byte(UInt8(network.prefixBits))
        }
        guard let authentication = settings.authentication else {
            writer.byte(0)
            return writer.bytes
        }
        writer.byte(1)
        writer.counted(authentication.process.rawValue.utf8)
        writer.counted(authentication.algorithm.rawValue.utf8)
        writer.byte((authentication.key == nil ? 0 : 1) | (authentication.headerName == nil ? 0 : 2))
        writer.counted(authentication.key ?? [])
        writer.counted((authentication.headerName ?? "").utf8)
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at queue: UInt64) -> QueueSettings? {
        var reader = ByteReader(span)
        guard reader.byte() == version, let name = reader.text(), let messageCount = reader.number(),
            let messageBytes = reader.number(), let queueBytes = reader.number(), let networkCount = reader.number()
        else { return nil }
        let limits = QueueLimits(messageCount: messageCount, messageBytes: messageBytes, queueBytes: queueBytes)
        var settings = QueueSettings(name: name, limits: limits)
        for _ in 0..<networkCount {
            guard let bytes = reader.counted(), let address = IPAddress(bytes: bytes), let bits = reader.byte(),
                let network = IPNetwork(address: address, prefixBits: Int(bits))
            else { return nil }
            settings.allowedNetworks.append(network)
        }
        switch reader.byte() {
        case 0: return reader.isAtEnd ? settings : nil
        case 1: break
        default: return nil
        }
        guard let process = reader.text().flatMap({ SenderAuthentication.Process(rawValue: $0) }),
            let algorithm = reader.text().flatMap({ DigestAlgorithm(rawValue: $0) }),
            let flags = reader.byte(), let key = reader.counted(), let headerName = reader.text(), reader.isAtEnd
        else { return nil }
        settings.authentication = SenderAuthentication(
            process: process, algorithm: algorithm, key: flags & 1 != 0 ? key : nil,
            headerName: flags & 2 != 0 ? headerName : nil)
        return settings
    }
}

/// Which messages a queue has, how many, and up to which id some were lost, as stored under the queue's number.
enum QueueLogRecord: TableRecord {
    static let name = "a queue's log"

    private static let version: UInt8 = 1

    static func encode(_ log: QueueLog) -> [UInt8] {
        var writer = ByteWriter(reserving: 24)
        writer.byte(version)
        for value in [log.current, log.first, log.count, log.bytes, log.lost] { writer.number(value) }
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at queue: UInt64) -> QueueLog? {
        var reader = ByteReader(span)
        guard reader.byte() == version, let current = reader.number(), let first = reader.number(),
            let count = reader.number(), let bytes = reader.number(), let lost = reader.number(), reader.isAtEnd,
            // Bounded so that counting cannot overflow.
            current < .max, bytes < 1 << 62, lost <= current, first >= 1, first - 1 <= current,
            count <= current - (first - 1)
        else { return nil }
        return QueueLog(current: current, first: first, count: count, bytes: bytes, lost: lost)
    }
}

/// A message as it is stored under its queue's number and its id.
enum MessageRecord: TableRecord {
    static let name = "a message's record"

    private static let version: UInt8 = 1
    /// Bytes of a record beside the message's body.
    static let overhead = 13

    static func encode(_ message: Message) -> [UInt8] {
        var writer = ByteWriter(reserving: message.body.count + overhead)
        writer.byte(version)
        writer.fixed(message.receivedAt.microseconds)
        writer.rest(message.body)
        writer.seal()
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at key: OwnedNumber) -> Message? { decode(span, bodyLimit: .max)?.message }

    /// - Parameter bodyLimit: the most bytes of the body that the returned message has.
    /// - Returns: the message, and the size of its whole body.
    static func decode(_ span: RawSpan, bodyLimit: Int) -> (message: Message, bodyBytes: Int)? {
        guard span.byteCount >= overhead else { return nil }
        let bodyBytes = span.byteCount - overhead
        var reader = ByteReader(span.extracting(first: overhead - 4 + min(bodyLimit, bodyBytes)))
        guard reader.byte() == version, let receivedAt = reader.fixedSigned() else { return nil }
        return (Message(body: reader.rest(), receivedAt: Timestamp(microseconds: receivedAt)), bodyBytes)
    }

    /// Bytes of a message's body, counted from its start; `nil` if the body does not have that many.
    static func body(of span: RawSpan, _ bytes: Range<Int>) -> [UInt8]? {
        let start = overhead - 4
        guard start + bytes.upperBound <= span.byteCount - 4 else { return nil }
        return copy(span.extracting(start + bytes.lowerBound..<start + bytes.upperBound))
    }
}

/// A user as stored under the digest of its name.
enum UserRecord: TableRecord {
    static let name = "a user"

    private static let version: UInt8 = 1

    static func encode(_ user: User) -> [UInt8] {
        var writer = ByteWriter(reserving: 256)
        writer.byte(version)
        writer.fixed(user.number)
        writer.byte(user.mayReload ? 1 : 0)
        writer.counted(user.name.utf8)
        writer.counted(user.hash.text.utf8)
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at name: NameDigest) -> User? {
        var reader = ByteReader(span)
        guard reader.byte() == version, let number = reader.fixed(), let flags = reader.byte(),
            let name = reader.text(), let hash = reader.text().flatMap({ PasswordHash($0) }), reader.isAtEnd
        else { return nil }
        return User(number: number, name: name, hash: hash, mayReload: flags & 1 != 0)
    }
}

/// The number of a client's user, and the digest of the client's name.
struct ClientKey: TableKey, Equatable {
    let user: UInt64
    let name: NameDigest

    init(_ user: UInt64, _ name: NameDigest) {
        self.user = user
        self.name = name
    }

    init(_ user: UInt64, _ name: String) { self.init(user, NameDigest(name)) }

    func write(to writer: inout ByteWriter) {
        writer.fixed(user)
        name.write(to: &writer)
    }

    init?(from reader: inout ByteReader) {
        guard let user = reader.fixed(), let name = NameDigest(from: &reader) else { return nil }
        self.init(user, name)
    }
}

/// A client as stored under its user's number and the digest of its name.
struct ClientRecord: Equatable, KeylessRecord {
    typealias Key = ClientKey
    static let name = "a client"

    let name: String
    /// The queue's number.
    var queue: UInt64
    /// The number of the right to the queue that the user had when the client began to listen. A right that is withdrawn
    /// and granted again has another number, and the client stays disconnected.
    var right: UInt64
    /// The id of the last message that it has read.
    var cursor: UInt64

    private static let version: UInt8 = 1

    init(name: String, queue: UInt64, right: UInt64, cursor: UInt64) {
        self.name = name
        self.queue = queue
        self.right = right
        self.cursor = cursor
    }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 64)
        writer.byte(Self.version)
        for value in [queue, right, cursor] { writer.number(value) }
        writer.counted(name.utf8)
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let queue = reader.number(), let right = reader.number(),
            let cursor = reader.number(), let name = reader.text(), reader.isAtEnd
        else { return nil }
        self.init(name: name, queue: queue, right: right, cursor: cursor)
    }
}

/// The state that all queues share.
struct QueueState: Equatable, KeylessRecord {
    typealias Key = RecordName
    static let name = "the state of queues"

    /// When the store began, in seconds since 1970. A later time tells clients that messages may have been lost.
    var time: UInt64
    /// Whether a configuration was ever put in force.
    var isConfigured = false
    var nextQueue: UInt64 = 1
    var nextUser: UInt64 = 1
    var nextRight: UInt64 = 1

    private static let version: UInt8 = 1

    init(time: UInt64) { self.time = time }

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 32)
        writer.byte(Self.version)
        writer.byte(isConfigured ? 1 : 0)
        for value in [time, nextQueue, nextUser, nextRight] { writer.number(value) }
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let flags = reader.byte(), let time = reader.number(),
            let nextQueue = reader.number(), let nextUser = reader.number(), let nextRight = reader.number(),
            reader.isAtEnd, max(time, nextQueue, nextUser, nextRight) < .max
        else { return nil }
        self.init(time: time)
        isConfigured = flags & 1 != 0
        (self.nextQueue, self.nextUser, self.nextRight) = (nextQueue, nextUser, nextRight)
    }
}
