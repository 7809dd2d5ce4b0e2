import Delivery
import HTTP
import HTTPTypes
import StoreSupport
import Testing
import Values

@testable import Events

/// A store that calls `meanwhile` once, after a subscription was read.
private final class InterruptedStore: EventStore {
    private let store: any EventStore
    var meanwhile: (() throws -> Void)?

    init(_ store: any EventStore) { self.store = store }

    func subscription(_ id: UUID) async throws(StoreFailure) -> Subscription? {
        let found = try await store.subscription(id)
        let interrupt = meanwhile
        meanwhile = nil
        do { try interrupt?() } catch { throw .unavailable("\(error)") }
        return found
    }

    func subscriptions(of user: String, after: UInt64?, limit: Int) async throws(StoreFailure) -> [Subscription] {
        try await store.subscriptions(of: user, after: after, limit: limit)
    }

    func create(
        _ subscription: Subscription, for request: RequestID?, limit: Int
    ) async throws(StoreFailure) -> SubscriptionCreation {
        try await store.create(subscription, for: request, limit: limit)
    }

    func replace(
        _ subscription: Subscription, by changed: Subscription
    ) async throws(StoreFailure) -> Replacement<Subscription> {
        try await store.replace(subscription, by: changed)
    }

    func deleteSubscription(_ id: UUID, of user: String, for request: RequestID?) async throws(StoreFailure) -> Bool {
        try await store.deleteSubscription(id, of: user, for: request)
    }

    func receive(
        _ events: [ReceivedEvent], for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> [UUID] {
        try await store.receive(events, for: request, at: moment)
    }

    func event(_ id: UUID, for user: String?) async throws(StoreFailure) -> EventHistory? {
        try await store.event(id, for: user)
    }

    func deliveries(of subscription: UUID, _ query: DeliveryQuery) async throws(StoreFailure) -> [DeliveryLine]? {
        try await store.deliveries(of: subscription, query)
    }

    func redeliver(
        _ line: UInt64, of subscription: Subscription, for request: RequestID?, at moment: Moment
    ) async throws(StoreFailure) -> Redelivery {
        try await store.redeliver(line, of: subscription, for: request, at: moment)
    }

    func replay(
        _ subscription: Subscription, since: Timestamp, until: Timestamp, all: Bool, for request: RequestID?
    ) async throws(StoreFailure) -> ReplayRequest {
        try await store.replay(subscription, since: since, until: until, all: all, for: request)
    }
}

private struct AnyTarget: URLChecking {
    func fault(_ url: String) -> String? { nil }
    func refusal(of url: String, _ context: any RequestContext) async -> LookupResult<String?> { .found(nil) }
}

/// Users choose the ids of their subscriptions: one that was deleted may be another user's a moment later.
@Suite struct TakenIDTests {
    @Test(arguments: [
        (HTTPRequest.Method.put, "", #"{"target_url": "http://thief.test/"}"#),
        (.post, "/replay", #"{"since": "2020-01-01"}"#),
        (.post, "/deliveries/1/retry", ""), (.get, "/deliveries", ""), (.delete, "", ""),
    ])
    func `a request does not affect a subscription that has another owner by then`(
        method: HTTPRequest.Method, path: String, body: String
    ) throws {
        try Engine.mapped.withStore { test throws in
            let mine = try test.create("$", of: "thief")
            let store = InterruptedStore(test.events)
            var theirs: Subscription?
            var event: UUID?
            store.meanwhile = { () throws in
                #expect(try test.delete(mine))
                let other = test.subscription("$.a", of: "owner")
                theirs = try test.create(
                    Subscription(
                        id: mine.id, user: "owner", name: "theirs", expression: "$.a", target: other.target,
                        destination: other.destination, created: other.created, updated: other.updated))
                event = try test.receive(#"{"a": 1}"#).first
                try test.match()
                try test.work()
            }
            var settings = EventSettings(version: "1")
            settings.userSource = .header
            let handlers = EventHandlers(
                store: store, settings: settings, urls: AnyTarget(), sealing: Example.sealing,
                now: { test.moment }, random: SystemRandomNumberGenerator(), ignored: {})
            let target = Target(raw: Array("/eventmatch/\(mine.id)\(path)".utf8)[...], mountPoint: [])
            let request = Request(
                method: method, target: target, fields: fields([("Http-Remote-User", "thief")]),
                body: .whole(Array(body.utf8)))
            // A DELETE compares the owner in the transaction that writes, and reads nothing before.
            if method == .delete { try store.meanwhile?() }
            let segments = try #require(target.segments)
            let run = HandlerRun(commit: test.commit).begin { context async throws(StoreFailure) in
                try await handlers.answer(request, path: segments, context)
            }
            let response = try #require(try run.response())
            try test.commit()
            #expect(response.head.status == .forbidden)
            let owned = try #require(theirs)
            #expect(try test.current(owned) == owned)
            #expect(try test.lines(owned).count == 1)
            // Nothing was started: neither a replay nor a delivery by hand.
            try test.match()
            #expect(try test.work().isEmpty)
            let kept = try #require(event)
            #expect(try test.history(kept).matches.count == 1)
        }
    }
}
