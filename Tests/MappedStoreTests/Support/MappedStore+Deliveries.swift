import Delivery
import HTTP
import Storage
import Testing
import Values
import Webhooks

@testable import MappedStore

/// Webhooks and their deliveries, in a few words. Each commits.
extension MappedStore {
    /// Creates a webhook, and the keys of its environment if it has none.
    /// - Parameter retries: how often a failed delivery is tried again, each time after a second.
    func createWebhook(_ id: UUID, in environment: UUID, retries: Int, at now: Moment) throws -> Webhook {
        let webhook = Webhook(
            id: id, environment: environment, name: "n", events: ["job-created"],
            destination: Destination(
                number: 0, url: "http://receiver.test/", policy: .own(.fixed(retries: retries, interval: 1))),
            created: now.wall, updated: now.wall)
        let key = Keyring.Key(
            id: "key", algorithm: "ed25519", publicKey: "", sealedPrivateKey: [], created: now.wall, signsFrom: now.wall
        )
        let outcome = try webhooks.create(webhook, for: nil, limit: 100, key: key)
        guard case .created(let made) = outcome else { throw StoreError("\(outcome)") }
        try commit()
        return made
    }

    /// Accepts an event that the webhooks of `createWebhook` want.
    func accept(_ id: String, in environment: UUID, at now: Moment) throws {
        let event = Event(id: id, type: "job-created", body: Array("{}".utf8))
        _ = try webhooks.accept(event, in: environment, for: nil, at: now)
        try commit()
    }

    func step(_ results: [DeliveryResult], beginning room: Int, at now: Moment) throws -> DeliveryStep {
        let step = try deliveries.step(
            results, beginning: AttemptRoom(room), inFlight: [:], owner: 1, leaseSeconds: 25, policies: RetryPolicies(),
            at: now)
        try commit()
        return step
    }
}
