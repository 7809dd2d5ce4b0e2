import Linux
import Testing
import Values

@testable import Queues

@Suite struct QueueSettingsTests {
    private func settings(_ networks: [String]) throws -> QueueSettings {
        QueueSettings(name: "q", allowedNetworks: try networks.map { try #require(IPNetwork($0)) })
    }

    @Test(
        arguments: [
            ([], "1.2.3.4", true), ([], nil, true), ([], "nonsense", true),
            (["1.2.3.4"], "1.2.3.4", true), (["1.2.3.4"], "1.2.3.5", false), (["1.2.3.4"], nil, false),
            (["1.2.3.4"], "", false), (["1.2.3.4"], "1.2.3.4, 5.6.7.8", false), (["1.2.3.4"], "unix:", false),
            (["1.2.3.4"], "::ffff:1.2.3.4", true), (["::ffff:1.2.3.4"], "1.2.3.4", true),
            (["10.0.0.0/8"], "10.255.0.1", true), (["10.0.0.0/8"], "11.0.0.0", false),
            (["10.0.0.0/8"], "::ffff:10.1.1.1", true), (["0.0.0.0/0"], "255.255.255.255", true),
            (["0.0.0.0/0"], "2001:db8::1", false), (["::/0"], "1.2.3.4", false), (["::/0"], "2001:db8::1", true),
            (["2001:db8::1"], "2001:0DB8:0:0::1", true), (["2001:db8::/32"], "2001:db8:ffff::", true),
            (["2001:db8::/32"], "2001:db9::", false), (["2001:db8::/33"], "2001:db8:8000::", false),
            (["1.1.1.1", "10.0.0.0/31", "::1"], "10.0.0.1", true), (["1.1.1.1", "10.0.0.0/31", "::1"], "::1", true),
            (["1.1.1.1", "10.0.0.0/31", "::1"], "10.0.0.2", false),
        ] as [([String], String?, Bool)])
    func `messages are accepted from the listed networks, or from anywhere if none is listed`(
        networks: [String], address: String?, isAllowed: Bool
    ) throws {
        #expect(try settings(networks).allows(address) == isAllowed)
    }

    /// Contract, section 8.
    @Test func `the built-in limits are those of the original`() {
        #expect(QueueLimits() == QueueLimits(messageCount: 100, messageBytes: 20_000, queueBytes: 1_000_000))
    }
}

/// A queue's log with the sizes of its messages, as an engine has them.
private struct Log {
    var log = QueueLog()
    var kept: [(id: UInt64, bytes: Int)] = []
    let limits: QueueLimits

    mutating func post(_ bytes: Int) {
        kept.append((log.append(bytes: bytes), bytes))
        while log.exceeds(limits), let oldest = kept.first {
            log.rollOff(oldest.id, bytes: oldest.bytes)
            kept.removeFirst()
        }
    }
}

@Suite struct QueueLogTests {
    @Test func `ids begin at 1 and go up by one, also for refused messages`() {
        var log = QueueLog()
        #expect(log.current == 0)
        #expect(log.append(bytes: 5) == 1)
        #expect(log.append(bytes: 0) == 2)
        log.skip()
        #expect(log.append(bytes: 7) == 4)
        #expect(log == QueueLog(current: 4, first: 1, count: 3, bytes: 12, lost: 3))
    }

    @Test(
        arguments: [
            (3, 100, [1, 1, 1], [1, 2, 3]), (3, 100, [1, 1, 1, 1], [2, 3, 4]), (100, 30, [10, 10, 10], [1, 2, 3]),
            (100, 30, [10, 10, 10, 1], [2, 3, 4]), (100, 30, [10, 10, 10, 11], [3, 4]), (100, 30, [10, 10, 30], [3]),
            (100, 30, [10, 10, 31], []), (100, 30, [31, 5], [2]), (100, 0, [0, 0, 0], [1, 2, 3]), (0, 100, [1, 0], []),
            (1, 0, [1], []),
        ] as [(UInt64, UInt64, [Int], [UInt64])])
    func `limits are inclusive, and the oldest messages are removed first`(
        count: UInt64, bytes: UInt64, posts: [Int], kept: [UInt64]
    ) {
        var log = Log(limits: QueueLimits(messageCount: count, queueBytes: bytes))
        for post in posts { log.post(post) }
        #expect(log.kept.map(\.id) == kept)
        #expect(log.log.count == UInt64(kept.count))
        #expect(log.log.bytes == log.kept.reduce(0) { $0 + UInt64($1.bytes) })
        #expect(log.log.lost == UInt64(posts.count - kept.count))
        #expect(log.log.first == log.log.lost + 1)
        #expect(log.log.current == UInt64(posts.count))
    }

    /// Contract, section 7: the rule of `lost`.
    @Test(
        arguments: [
            (0, 0, 0, .upToDate), (5, 0, 5, .upToDate), (5, 0, 4, .behind), (5, 0, 0, .behind), (5, 3, 3, .behind),
            (5, 3, 2, .lost), (5, 5, 4, .lost), (5, 5, 5, .upToDate), (1, 1, 0, .lost), (9, 5, 5, .behind),
            (UInt64.max, UInt64.max, 0, .lost), (3, 0, 7, .upToDate),
        ] as [(UInt64, UInt64, UInt64, Standing)])
    func `a reader has lost messages if one after its cursor is gone`(
        current: UInt64, lost: UInt64, cursor: UInt64, standing: Standing
    ) {
        #expect(QueueLog(current: current, lost: lost).standing(of: cursor) == standing)
    }

    @Test func `a damaged log with a wrong size does not trap`() {
        var log = QueueLog(current: 3, first: 1, count: 0, bytes: 2, lost: 0)
        log.rollOff(1, bytes: 10)
        #expect(log == QueueLog(current: 3, first: 2, count: 0, bytes: 0, lost: 1))
    }
}
