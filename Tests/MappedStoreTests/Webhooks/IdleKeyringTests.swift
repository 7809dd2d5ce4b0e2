import Capture
import Delivery
import HTTP
import LMDB
import StoreSupport
import TestSupport
import Testing
import Values
import Webhooks

@testable import MappedStore

@Suite struct IdleKeyringTests {
    private static func key(at time: Timestamp) -> Keyring.Key {
        Keyring.Key(
            id: "k", algorithm: "ed25519", publicKey: "p", sealedPrivateKey: [1], created: time, signsFrom: time)
    }

    private static func webhook(in environment: UUID, _ store: MappedStore) -> Webhook {
        var random = SystemRandomNumberGenerator()
        let now = store.clock.now().wall
        return Webhook(
            id: UUID(random: &random), environment: environment, name: "w", events: ["pipeline-created"],
            destination: Destination(
                number: 0, url: "http://192.0.2.1/", policy: .fixed, limits: DestinationLimits(inFlight: 1)),
            created: now, updated: now)
    }

    /// Forgets the idle keyrings of all environments.
    private static func forget(_ store: MappedStore, after seconds: Double) throws {
        var start: [UInt8] = []
        repeat {
            let now = store.clock.now().wall.adding(seconds: seconds)
            start = try store.webhooks.forgetIdleKeyrings(at: now, from: start, limit: 1)
            try store.commit()
        } while !start.isEmpty
    }

    @Test func `the keys of an environment without webhooks are forgotten after a day, and others are not`() throws {
        try withTemporaryDirectory { directory in
            let store = try MappedStore(directory: directory, MappedStore.Options(isDurable: false))
            var random = SystemRandomNumberGenerator()
            let (idle, used) = (UUID(random: &random), UUID(random: &random))
            let now = store.clock.now().wall
            let key = Self.key(at: now)
            _ = try store.webhooks.keyring(of: idle, beginning: key)
            _ = try store.webhooks.keyring(of: used, beginning: key)
            try store.commit()
            let webhook = Self.webhook(in: used, store)
            _ = try store.webhooks.create(webhook, for: nil, limit: 9, key: key)
            try store.commit()
            try Self.forget(store, after: 86_000)
            #expect(try store.webhooks.keyring(of: idle) != nil)
            try Self.forget(store, after: 86_500)
            #expect(try store.webhooks.keyring(of: idle) == nil && store.webhooks.keyring(of: used) != nil)

            // The day begins when the last webhook is deleted.
            #expect(try store.webhooks.delete(webhook.id, for: nil))
            try store.commit()
            #expect(try store.check().faults == [])
            try Self.forget(store, after: 86_000)
            #expect(try store.webhooks.keyring(of: used) != nil)
            try Self.forget(store, after: 86_500)
            #expect(try store.webhooks.keyring(of: used) == nil)
            _ = try store.removeGarbage(limit: 100)
            try store.commit()
            #expect(try store.check().faults == [])
        }
    }

    @Test func `the addresses of those who created endpoints are forgotten with the endpoints`() throws {
        try withTemporaryDirectory { directory in
            let store = try MappedStore(directory: directory, MappedStore.Options(isDurable: false))
            for number in 1...5 {
                _ = try store.capture.create(
                    endpointID(number), for: nil, from: "192.0.2.\(number)", at: store.clock.now(), CaptureLimits())
            }
            try store.commit()
            for number in 1...3 { #expect(try store.capture.delete(endpointID(number))) }
            try store.commit()
            var start: [UInt8] = []
            repeat {
                start = try store.capture.forgetMakers(from: start, limit: 2)
                try store.commit()
            } while !start.isEmpty
            let count = try store.read { (transaction) throws(LMDBError) in
                try store.tables.endpointMakers.bytes.count(in: transaction)
            }
            #expect(count == 2)
        }
    }
}
