import Delivery
import HTTP
import Testing
import Values

@testable import Capture

@Suite struct ForwardTests {
    private let moment = Moment(wall: Timestamp(microseconds: 5), steady: Timestamp(microseconds: 1_000_000))

    @Test(arguments: [
        ("https://a.test", "", nil, "https://a.test/"),
        ("https://a.test/x", "", nil, "https://a.test/x"),
        ("https://a.test/x/", "/y", nil, "https://a.test/x/y"),
        ("https://a.test", "/y", "q", "https://a.test/y?q"),
        ("https://a.test/x?k=v", "/y//z%2F", "a=b&c", "https://a.test/x/y//z%2F?k=v&a=b&c"),
        ("https://a.test?k", "", "q", "https://a.test/?k&q"),
        ("https://a.test/x", "/é #", "ü", "https://a.test/x/%C3%A9%20%23?%C3%BC"),
        ("https://a.test/x", "/@b.test/", "http://c.test", "https://a.test/x/@b.test/?http://c.test"),
        ("https://a.test/x", "", "", "https://a.test/x?"),
    ])
    func `path and query are appended to those of the target`(
        target: String, path: String, query: String?, expected: String
    ) {
        #expect(ForwardCall.url(target, path: Array(path.utf8), query: query.map { Array($0.utf8) }) == expected)
    }

    private func call(_ fields: [(String, String)], body: [UInt8] = []) -> ForwardCall {
        var list = FieldList()
        for (name, value) in fields { list.append(name: name.utf8, value: value.utf8) }
        let notification = Notification(method: "POST", fields: list, body: body, receivedAt: moment.wall)
        return ForwardCall(notification, to: "https://a.test/")
    }

    private func names(_ call: ForwardCall) -> [String] {
        (0..<call.fields.count).map { String(decoding: call.fields.name(at: $0), as: UTF8.self) }
    }

    @Test func `fields of the connection are left out, and those that it names`() {
        let sent = call([
            ("Host", "h"), ("X-A", "1"), ("connection", "close , X-Named,x-other"), ("X-Named", "1"), ("X-Other", "2"),
            ("x-a", "2"), ("Keep-Alive", "1"), ("TE", "t"), ("Upgrade", "u"), ("Content-Length", "0"), ("Expect", "e"),
            ("Transfer-Encoding", "chunked"), ("Trailer", "t"), ("Proxy-Authorization", "p"), ("Proxy-Connection", "p"),
            ("Authorization", "a"), ("Accept-Encoding", "br"),
        ])
        #expect(names(sent) == ["X-A", "x-a", "Authorization", "Accept-Encoding", "Postroom-Forward"])
        #expect(sent.fields.values(of: "x-a").map(Array.init) == [Array("1".utf8), Array("2".utf8)])
    }

    /// What is not a number counts as the last time, so that a loop ends that changes the field.
    @Test(
        arguments: [
            ([], 0, "1"), (["2"], 2, "3"), (["1", "2"], 2, "3"), (["2, 1"], 2, "3"), (["002"], 2, "3"),
            (["999999999"], 999_999_999, "1000000000"), (["x"], nil, "4"), (["-4"], nil, "4"), (["+1"], nil, "4"),
            ([""], nil, "4"), (["1,"], nil, "4"), (["1 1"], nil, "4"), (["9999999999"], nil, "4"),
            (["1", "x"], nil, "4"),
        ] as [([String], Int?, String)])
    func `forwards are counted`(before: [String], count: Int?, after: String) {
        let sent = call(before.map { ("Postroom-Forward", $0) })
        #expect(sent.fields.values(of: "postroom-forward").map(Array.init) == [Array(after.utf8)])
        var fields = FieldList()
        for value in before { fields.append(name: "postroom-forward".utf8, value: value.utf8) }
        #expect(ForwardCall.hops(of: fields) == count)
    }

    @Test func `a length is sent if there was a body, or a length`() {
        #expect(!call([]).hasBody)
        #expect(call([], body: [1]).hasBody)
        #expect(call([("Content-Length", "0")]).hasBody)
        #expect(call([("Transfer-Encoding", "chunked")]).hasBody)
    }

    private func forward(isStanding: Bool) -> Forward {
        var forward = Forward(
            number: 1, notification: 1, url: "https://a.test/", isStanding: isStanding, group: 1..<2,
            created: moment.wall, due: moment.steady)
        forward.begin(leaseSeconds: 30, at: moment)
        return forward
    }

    private func failure(_ kind: Attempt.ErrorKind, status: Int? = nil, retryAfter: Double? = nil) -> ForwardResult {
        ForwardResult(
            status: status, failure: Attempt.Failure(kind: kind, text: "e"), at: moment.wall, retryAfter: retryAfter)
    }

    @Test func `a standing forward is tried again as long as there are waits`() {
        var forward = forward(isStanding: true)
        #expect(forward.nextAttempt == nil && forward.due == moment.steady.adding(seconds: 30))
        forward.conclude(failure(.status, status: 500), .schedule([5, 60]), jitter: 0, at: moment)
        #expect(forward.nextAttempt == moment.steady.adding(seconds: 5))
        forward.begin(leaseSeconds: 30, at: moment)
        forward.conclude(failure(.status, status: 503, retryAfter: 90), .schedule([5, 60]), jitter: 0, at: moment)
        #expect(forward.nextAttempt == moment.steady.adding(seconds: 90))
        forward.begin(leaseSeconds: 30, at: moment)
        forward.conclude(failure(.connect), .schedule([5, 60]), jitter: 0, at: moment)
        #expect(forward.state == .failed && forward.attempts == 3 && forward.nextAttempt == nil)
    }

    @Test func `a forward by hand has one attempt, and so has one whose content is lost`() {
        for (isStanding, kind) in [(false, Attempt.ErrorKind.status), (true, .unavailable)] {
            var forward = forward(isStanding: isStanding)
            forward.conclude(failure(kind), .schedule([5]), jitter: 0, at: moment)
            #expect(forward.state == .failed)
        }
    }

    // MARK: Shares

    /// A lane to a host of its own.
    private func target(_ endpoint: UInt64, _ number: UInt64, host: String? = nil) -> ForwardTarget {
        ForwardTarget(
            lane: ForwardLane(endpoint: endpoint, target: number), host: host ?? "\(endpoint).\(number).test")
    }

    @Test func `a target has few attempts in flight, and the endpoint with the fewest is next`() {
        var room = ForwardRoom()
        for _ in 0..<ForwardRoom.perLane {
            #expect(room.admits(target(1, 1), slots: 1))
            room.take(target(1, 1), slots: 1)
        }
        #expect(!room.admits(target(1, 1), slots: 1) && !room.admits(target(1, 1).lane, slots: 1))
        #expect(room.order(of: [target(1, 1)], limit: 9) == [])
        let order = room.order(of: [target(1, 1), target(1, 2), target(2, 1)], limit: 3)
        #expect(order == [target(2, 1), target(1, 2), target(2, 1)])
        room.giveBack(target(1, 1), slots: 1)
        #expect(room.admits(target(1, 1), slots: 1))
    }

    @Test func `a lane is chosen as often as it has room, and others in between`() {
        var room = ForwardRoom()
        room.take(target(1, 1), slots: 2)
        #expect(
            room.order(of: [target(1, 1), target(1, 2)], limit: 99)
                == [target(1, 1), target(1, 2), target(1, 1), target(1, 2), target(1, 2), target(1, 2)])
    }

    @Test func `an endpoint with many targets holds back no other`() {
        let many = (0..<4000).map { target(1, UInt64($0)) }
        let order = ForwardRoom().order(of: many + [target(2, 1), target(3, 1)], limit: 8)
        #expect(order.count == 8 && order.prefix(3).map(\.lane.endpoint) == [1, 2, 3])
        #expect(Set(order.filter { $0.lane.endpoint == 2 }).count == 1)
    }

    @Test func `a full room chooses nothing`() {
        var room = ForwardRoom()
        for number in 0..<16 { room.take(target(1, UInt64(number)), slots: 4) }
        #expect(room.order(of: (0..<4000).map { target(1, 100 + UInt64($0)) }, limit: 32) == [] && !room.isExhausted)
        for endpoint in UInt64(2)..<18 { room.take(target(endpoint, 1), slots: 1) }
        #expect(room.isExhausted && room.order(of: [target(99, 1)], limit: 32) == [])
    }

    @Test func `an endpoint without attempts finds room when all slots are taken`() {
        var room = ForwardRoom()
        for number in 0..<16 { room.take(target(1, UInt64(number)), slots: 4) }
        #expect(!room.admits(target(1, 99), slots: 1))
        for endpoint in UInt64(2)..<18 {
            #expect(room.admits(target(endpoint, 1), slots: 1))
            room.take(target(endpoint, 1), slots: 1)
            #expect(!room.admits(target(endpoint, 2), slots: 1))
        }
        #expect(!room.admits(target(99, 1), slots: 1))
    }

    @Test func `a host has few attempts in flight, however many URLs it has`() {
        let urls = (0..<80).map { target(1, $0, host: "a.test") }
        var room = ForwardRoom()
        let order = room.order(of: urls, limit: 99)
        #expect(order == Array(urls.prefix(ForwardRoom.perHost)))
        for target in order { room.take(target, slots: 1) }
        #expect(!room.admits(target(1, 99, host: "a.test"), slots: 1) && room.admits(target(1, 99), slots: 1))
        // Its lanes hold back no other lane of the endpoint.
        #expect(room.order(of: urls + [target(1, 99)], limit: 4) == Array(repeating: target(1, 99), count: 4))
        // Other endpoints find room at the host, each one attempt.
        let others = (UInt64(2)...6).map { target($0, 1, host: "a.test") }
        #expect(room.order(of: others, limit: 99) == Array(others.prefix(ForwardRoom.hostReserve)))
        for target in order { room.giveBack(target, slots: 1) }
        #expect(room == ForwardRoom())
    }

    @Test(arguments: [
        ("https://A.test:8443/x", "a.test"), ("http://a.test.", "a.test"), ("http://[::1]:80/", "::1"),
        ("http://127.0.0.1/", "127.0.0.1"), ("not a URL", ""),
    ])
    func `URLs with different ports have one host`(url: String, host: String) {
        #expect(ForwardTarget.host(of: url) == host)
    }

    @Test func `a long body takes more slots, and goes alone`() {
        var room = ForwardRoom()
        let slots = ForwardRoom.slots(bytes: 25 << 20)
        #expect(slots == 16 && ForwardRoom.slots(bytes: 1000) == 1)
        #expect(room.admits(target(1, 1), slots: slots))
        room.take(target(1, 1), slots: slots)
        #expect(!room.admits(target(1, 1), slots: 1))
    }
}
