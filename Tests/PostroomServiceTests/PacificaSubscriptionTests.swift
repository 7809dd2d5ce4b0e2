import Delivery
import Events
import HTTP
import Testing
import Values

@testable import PostroomService

@Suite struct PacificaSubscriptionTests {
    private struct WebURLs: URLRules {
        func fault(_ url: String) -> String? { url.hasPrefix("http://") ? nil : "it does not begin with http://" }
    }

    private static let sealing = Sealing(seal: { plain, _ in plain }, open: { sealed, _ in sealed })

    private func imported(_ columns: [String: String]) throws(EventError) -> (Subscription, String?) {
        let takeover = PacificaSubscriptions(
            settings: EventSettings(version: "1"), urls: WebURLs(), sealing: Self.sealing,
            now: Timestamp(microseconds: 0))
        let all = [
            "uuid": "00000000000000000000000000000001", "name": "n", "jsonpath": "$", "user": "u",
            "target_url": "http://receiver.test/",
        ]
        let (subscription, fault) = try takeover.subscription(
            PacificaSubscription(row: all.merging(columns) { $1 }))
        return (subscription, fault)
    }

    @Test(arguments: [".", "..", String(repeating: "u", count: 256)])
    func `a user that cannot be part of the policy service's URL is refused`(user: String) throws {
        #expect(throws: EventError.self) { try imported(["user": user]) }
        // Also if the expression is invalid, which alone would only disable the subscription.
        #expect(throws: EventError.self) { try imported(["user": user, "jsonpath": "$["]) }
    }

    @Test(arguments: ["", "...", "a/b", String(repeating: "u", count: 255)])
    func `any other user keeps its subscriptions`(user: String) throws {
        let (subscription, fault) = try imported(["user": user])
        #expect(subscription.user == user && fault == nil)
    }

    @Test(
        arguments: [
            ("Zo\u{c3}\u{ab}", "Zoë"), ("Zoë", "Zoë"), ("\u{d0}\u{af}\u{d0}\u{bd}", "Ян"), ("Ян", "Ян"), ("zoe", "zoe"),
        ])
    func `a user's name that was stored as ISO-8859-1 is imported as UTF-8`(stored: String, user: String) throws {
        #expect(try imported(["user": stored]).0.user == user)
    }

    @Test(arguments: [["jsonpath": "$["], ["target_url": "nowhere"]])
    func `a subscription with an invalid expression or target is imported as disabled`(columns: [String: String]) throws
    {
        let (subscription, fault) = try imported(columns)
        #expect(fault != nil && subscription.destination.disabledReason == fault)
        #expect(subscription.destination.disabledAt == Timestamp(microseconds: 0))
        #expect(subscription.expression == columns["jsonpath"] ?? "$")
        #expect(subscription.destination.url == (columns["target_url"] == nil ? "http://receiver.test/" : ""))
    }
}
