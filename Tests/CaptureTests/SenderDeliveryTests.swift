import Capture
import HTTP
import MappedStore
import StoreSupport
import Testing
import Values

@Suite struct SenderDeliveryTests {
    private func delivery(_ fields: [(String, String)], named: String? = nil) -> SenderDelivery? {
        SenderDelivery(of: list(fields), named: named)
    }

    private func list(_ fields: [(String, String)]) -> FieldList {
        var list = FieldList()
        for (name, value) in fields { list.append(name: name.utf8, value: value.utf8) }
        return list
    }

    @Test func `a delivery is the name and the value of one field`() {
        let first = delivery([("Host", "h"), ("Webhook-Id", "a"), ("Accept", "*/*")])
        #expect(first != nil && first == delivery([("webhook-id", "a")]))
        #expect(first != delivery([("Webhook-Id", "b")]) && first != delivery([("Idempotency-Key", "a")]))
        #expect(delivery([("Host", "h"), ("Webhook-Ix", "a"), ("X-GitHub-Event", "push")]) == nil)
        #expect(delivery([("Webhook-Id", "")]) == nil && delivery([]) == nil)
    }

    @Test func `the first field that has a value counts`() {
        let all = [("Idempotency-Key", "i"), ("X-GitHub-Delivery", "g"), ("Webhook-Id", "w"), ("X-Own", "o")]
        #expect(delivery(all) == delivery([("Webhook-Id", "w")]))
        #expect(delivery(all, named: "X-OWN") == delivery([("x-own", "o")], named: "x-own"))
        #expect(delivery(all, named: "X-Other") == delivery([("Webhook-Id", "w")]))
        #expect(delivery([("Webhook-Id", ""), all[1]]) == delivery([all[1]]))
        #expect(delivery([("Webhook-Id", "w"), ("Webhook-Id", "v")]) == delivery([("Webhook-Id", "w")]))
        #expect(delivery([("X-Own", ""), all[0]], named: "X-Own") == delivery([all[0]]))
    }

    @Test func `the answer to a retry of collecting has the attempts of the first one`() throws {
        try Engine.mapped.withStore { test in
            let id = try test.create()
            let fields = list([("Webhook-Id", "a")])
            func send() throws {
                let notification = Notification(method: "POST", fields: fields, receivedAt: test.moment.wall)
                #expect(
                    try test.capture.accept(notification, at: id, for: nil, at: test.moment, CaptureLimits()) == .stored
                )
                try test.commit()
            }
            try send()
            try send()
            for _ in 0..<2 {
                let found = try test.all(
                    test.capture.collect(
                        from: id, for: test.request(1), at: test.moment, CaptureLimits(), mayBeLong: true))
                try test.commit()
                #expect(found?.map(\.attempts) == [nil, [1, 2]])
                try send()
            }
            let found = try test.all(
                test.capture.look(at: id, .after(0), limit: 9, at: test.moment, CaptureLimits(), mayBeLong: true))
            #expect(found?.map(\.attempts) == [nil, [3, 4]])
        }
    }
}
