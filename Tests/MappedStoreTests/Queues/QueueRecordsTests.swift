import Cryptography
import HTTP
import Linux
import Queues
import Testing
import Values

@testable import MappedStore

@Suite struct QueueRecordsTests {
    /// All truncations of a record, and some other damage.
    private func damaged(_ bytes: [UInt8]) -> [[UInt8]] {
        (0..<bytes.count).map { Array(bytes.prefix($0)) } + [
            bytes + [0], [0] + bytes.dropFirst(), [9] + bytes.dropFirst(),
        ]
    }

    private static let authentications: [SenderAuthentication?] =
        [nil]
        + [SenderAuthentication.Process.hmac, .hash].flatMap { process in
            DigestAlgorithm.allCases.flatMap { algorithm in
                [
                    SenderAuthentication(process: process, algorithm: algorithm, key: nil, headerName: nil),
                    SenderAuthentication(process: process, algorithm: algorithm, key: [], headerName: ""),
                    SenderAuthentication(process: process, algorithm: algorithm, key: [0, 0xff], headerName: "X-Ä"),
                ]
            }
        }

    @Test(arguments: authentications)
    func `the settings of a queue are read back, and damage is detected`(authentication: SenderAuthentication?) throws {
        let networks = ["1.2.3.4", "10.0.0.0/8", "0.0.0.0/0", "::ffff:10.0.0.0/104", "2001:db8::/33", "::1", "::/0"]
        for name in ["", "größe", "e\u{301}", "a\0b"] {
            let settings = QueueSettings(
                name: name, limits: QueueLimits(messageCount: 0, messageBytes: 300, queueBytes: .max),
                allowedNetworks: try networks.map { try #require(IPNetwork($0)) }, authentication: authentication)
            let bytes = QueueSettingsRecord.encode(settings)
            let found = try #require(QueueSettingsRecord.decode(bytes))
            #expect(found == settings && Array(found.name.utf8) == Array(name.utf8))
            // Above all, truncated settings must not open a queue to everybody.
            for bytes in damaged(bytes) { #expect(QueueSettingsRecord.decode(bytes) == nil) }
        }
    }

    @Test func `settings with an impossible number of networks, or an invalid one, are damaged`() {
        let head: [UInt8] = [1, 0, 1, 1, 1]
        #expect(
            QueueSettingsRecord.decode(head + [0, 0])
                == QueueSettings(name: "", limits: QueueLimits(messageCount: 1, messageBytes: 1, queueBytes: 1)))
        for networks in [
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], [1, 4, 1, 2, 3, 4, 33],
            [1, 5, 1, 2, 3, 4, 5, 8],
            [1, 0, 0], [2, 4, 1, 2, 3, 4, 32],
        ] as [[UInt8]] {
            #expect(QueueSettingsRecord.decode(head + networks + [0]) == nil)
        }
        for authentication in [[2], [1, 4] + Array("sign".utf8), [1, 0, 0, 0, 0, 0]] as [[UInt8]] {
            #expect(QueueSettingsRecord.decode(head + [0] + authentication) == nil)
        }
    }

    @Test(arguments: [
        QueueLog(), QueueLog(current: 5, first: 6, count: 0, bytes: 0, lost: 5),
        QueueLog(current: 300, first: 1, count: 300, bytes: 1 << 40, lost: 0),
        QueueLog(current: .max - 1, first: .max, count: 0, bytes: 0, lost: .max - 1),
    ])
    func `the log of a queue is read back, and damage is detected`(log: QueueLog) {
        let bytes = QueueLogRecord.encode(log)
        #expect(QueueLogRecord.decode(bytes) == log)
        for bytes in damaged(bytes) { #expect(QueueLogRecord.decode(bytes) == nil) }
    }

    @Test(arguments: [
        QueueLog(current: .max, first: 1), QueueLog(current: 3, first: 0), QueueLog(current: 3, first: 5),
        QueueLog(current: 3, first: 2, count: 3), QueueLog(current: 3, lost: 4),
        QueueLog(current: 3, count: 1, bytes: .max),
        QueueLog(current: 3, first: .max),
    ])
    func `an impossible log is damaged`(log: QueueLog) {
        #expect(QueueLogRecord.decode(QueueLogRecord.encode(log)) == nil)
    }

    @Test(
        arguments: [[], [0], [0xff, 0xfe], [UInt8](repeating: 0xc3, count: 300)] as [[UInt8]], [Int64.min, -1, 0, .max])
    func `a message is read back byte for byte, and damage is detected`(body: [UInt8], time: Int64) {
        let message = Message(body: body, receivedAt: Timestamp(microseconds: time))
        let bytes = MessageRecord.encode(message)
        #expect(MessageRecord.decode(bytes) == message)
        #expect(MessageRecord.isWhole(bytes))
        #expect(bytes.count == body.count + MessageRecord.overhead)
        for bytes in damaged(bytes) { #expect(!MessageRecord.isWhole(bytes)) }
        for count in 0..<MessageRecord.overhead { #expect(MessageRecord.decode(Array(bytes.prefix(count))) == nil) }
        #expect(MessageRecord.decode([2] + bytes.dropFirst()) == nil)
        for index in bytes.indices {
            var flipped = bytes
            flipped[index] ^= 0x10
            #expect(!MessageRecord.isWhole(flipped))
        }
    }

    @Test(arguments: ["plain;;a;b", "sha512;00;*", "argon2id;;$argon2id$x"], [false, true])
    func `a user is read back, and damage is detected`(hash: String, mayReload: Bool) throws {
        let hash = try #require(PasswordHash(hash))
        for name in ["", "ü", "e\u{301}", String(repeating: "x", count: 8192)] {
            let user = User(number: .max, name: name, hash: hash, mayReload: mayReload)
            let bytes = UserRecord.encode(user)
            #expect(UserRecord.decode(bytes) == user)
            #expect(UserRecord.decode(bytes).map { Array($0.name.utf8) } == Array(name.utf8))
            for bytes in damaged(bytes) { #expect(UserRecord.decode(bytes) == nil) }
        }
        let text = Array("md5;a;b".utf8)
        #expect(UserRecord.decode([1] + key(1) + [0, 0, UInt8(text.count)] + text) == nil)
    }

    @Test(arguments: [("", 0), ("grö ße", 300), ("e\u{301}", .max), (String(repeating: "x", count: 8192), 1 << 63)])
    func `a client is read back, and damage is detected`(name: String, number: UInt64) {
        let client = ClientRecord(name: name, queue: number, right: number, cursor: number)
        #expect(ClientRecord(client.encoded) == client)
        #expect(ClientRecord(client.encoded).map { Array($0.name.utf8) } == Array(name.utf8))
        for bytes in damaged(client.encoded) { #expect(ClientRecord(bytes) == nil) }
        #expect(ClientRecord([1, 0, 0, 0, 1, 0xff]) == nil)
    }

    @Test func `the keys of clients have one length, whatever their names`() {
        let names = ["", "c", "C", "\u{e9}", "e\u{301}", String(repeating: "x", count: 8192)]
        let keys = names.map { ClientKey(7, $0).keyBytes }
        #expect(keys.allSatisfy { $0.count == 40 && $0.starts(with: key(7)) })
        #expect(Set(keys).count == names.count)
    }

    @Test func `the state of queues is read back, and damage is detected`() {
        var state = QueueState(time: 1_700_000_000)
        for isConfigured in [false, true] {
            state.isConfigured = isConfigured
            (state.nextQueue, state.nextUser, state.nextRight) = (300, 1 << 40, .max - 1)
            #expect(QueueState(state.encoded) == state)
            for bytes in damaged(state.encoded) { #expect(QueueState(bytes) == nil) }
        }
        state.nextRight = .max
        #expect(QueueState(state.encoded) == nil)
    }

    @Test(arguments: [Garbage.messages(queue: 0), .messages(queue: .max), .clients(user: 300)])
    func `a garbage entry is read back, and damage is detected`(garbage: Garbage) {
        #expect(Garbage(keyBytes: garbage.keyBytes) == garbage)
        for bytes in damaged(garbage.keyBytes) { #expect(Garbage(keyBytes: bytes) == nil) }
    }
}
