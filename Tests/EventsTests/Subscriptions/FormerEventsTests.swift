import HTTP
import Testing
import Values

@testable import Events

@Suite struct FormerEventsTests {
    private func takenOver(_ columns: [String: String]) throws(EventError) -> (Subscription, String?) {
        let takeover = SubscriptionTakeover(
            settings: EventSettings(version: "1"), urls: AnyURL(), sealing: Example.sealing,
            now: Timestamp(microseconds: 0))
        let all = [
            "uuid": "00000000000000000000000000000001", "name": "n", "jsonpath": "$", "user": "u",
            "target_url": "http://receiver.test/",
        ]
        let (subscription, fault) = try takeover.subscription(
            FormerSubscription(columns: all.merging(columns) { $1 }))
        return (subscription, fault)
    }

    @Test(arguments: [".", "..", String(repeating: "u", count: 256)])
    func `a user whom nobody could be asked about is refused`(user: String) throws {
        #expect(throws: EventError.self) { try takenOver(["user": user]) }
        // Nor with what else would have it taken over disabled.
        #expect(throws: EventError.self) { try takenOver(["user": user, "jsonpath": "$["]) }
    }

    @Test(arguments: ["", "...", "a/b", String(repeating: "u", count: 255)])
    func `any other user keeps subscriptions`(user: String) throws {
        let (subscription, fault) = try takenOver(["user": user])
        #expect(subscription.user == user && fault == nil)
    }
}
