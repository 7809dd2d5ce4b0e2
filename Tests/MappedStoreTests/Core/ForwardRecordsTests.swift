import Capture
import Delivery
import Testing
import Values

@testable import MappedStore

@Suite struct ForwardRecordsTests {
    private func forward(_ state: Forward.State, _ last: ForwardResult?) -> Forward {
        var forward = Forward(
            number: 301, notification: 70_000, url: "https://a.test/ü", isStanding: state != .failed, group: 300..<303,
            created: Timestamp(microseconds: -1), due: Timestamp(microseconds: 1 << 50))
        forward.state = state
        forward.attempts = 300
        forward.isBegun = state == .pending
        forward.last = last
        return forward
    }

    private func results() -> [ForwardResult?] {
        let at = Timestamp(microseconds: -3)
        return [
            nil, ForwardResult(status: 204, milliseconds: 300, response: [0xff, 0], at: at),
            ForwardResult(status: 503, failure: Attempt.Failure(kind: .status, text: "e"), response: [1], at: at),
            ForwardResult(failure: Attempt.Failure(kind: .consent, text: ""), at: at),
        ]
    }

    /// The record cut anywhere, and with any bit of another value.
    private func damaged(_ bytes: [UInt8]) -> [[UInt8]] {
        let cut = bytes.indices.map { Array(bytes.prefix($0)) }
        let flipped = (0..<8 * bytes.count).map { bit in
            var bytes = bytes
            bytes[bit / 8] ^= 1 << (bit % 8)
            return bytes
        }
        return cut + flipped
    }

    @Test(arguments: Forward.State.allCases)
    func `a forward is read back, and damaged ones are not`(state: Forward.State) {
        let key = OwnedNumber(7, 301)
        for last in results() {
            let forward = forward(state, last)
            let bytes = ForwardRecord.encode(forward)
            #expect(unsafe ForwardRecord.decode(bytes.span.bytes, at: key) == forward)
            // It is not one of the group of another number.
            #expect(unsafe ForwardRecord.decode(bytes.span.bytes, at: OwnedNumber(7, 303)) == nil)
            for damaged in damaged(bytes) { #expect(unsafe ForwardRecord.decode(damaged.span.bytes, at: key) == nil) }
            // As it was stored before it had a checksum.
            let former = [1] + bytes.dropFirst().dropLast(4)
            #expect(unsafe ForwardRecord.decode(former.span.bytes, at: key) == forward)
        }
    }

    @Test func `what an endpoint has to do with forwards is read back`() {
        var forwarding = Forwarding()
        forwarding.next = 1 << 40
        (forwarding.pending, forwarding.bytes, forwarding.count, forwarding.missed) = (3, 300, 70_000, 1)
        for urls in [[], ["https://a.test/"], ["http://ü", ""]] {
            forwarding.urls = urls
            let bytes = ForwardingRecord.encode(forwarding)
            #expect(unsafe ForwardingRecord.decode(bytes.span.bytes, at: 7) == forwarding)
            for damaged in damaged(bytes) { #expect(unsafe ForwardingRecord.decode(damaged.span.bytes, at: 7) == nil) }
            let former = [1] + bytes.dropFirst().dropLast(4)
            #expect(unsafe ForwardingRecord.decode(former.span.bytes, at: 7) == forwarding)
        }
    }

    @Test func `pending forwards are in the order of endpoints, targets and times`() {
        let lanes = [ForwardLane(endpoint: 1, target: .max), ForwardLane(endpoint: 2, target: 0)]
        let keys = lanes.flatMap { lane in
            [-5, 5].map { PendingForwardKey(lane, Timestamp(microseconds: $0), 3) }
        }
        for key in keys {
            #expect(PendingForwardKey(keyBytes: key.keyBytes) == key)
            #expect(ForwardHead(keyBytes: ForwardHead(key).keyBytes) == ForwardHead(key))
            #expect(!key.keyBytes.lexicographicallyPrecedes(PendingForwardKey.first(of: key.lane).keyBytes))
        }
        for (one, next) in zip(keys, keys.dropFirst()) {
            #expect(one.keyBytes.lexicographicallyPrecedes(next.keyBytes))
        }
        #expect(!lanes.contains(ForwardLane(1, "https://a.test/")))
        #expect(ForwardLane(1, "https://a.test/") != ForwardLane(1, "https://b.test/"))
    }

    @Test func `metrics of forwards are read back`() {
        var metrics = ForwardMetrics()
        metrics.missed = 300
        metrics.attempts[0] = 70_000
        let bytes = ForwardMetricsRecord(metrics).encoded
        #expect(unsafe ForwardMetricsRecord(bytes.span.bytes)?.metrics == metrics)
    }
}
