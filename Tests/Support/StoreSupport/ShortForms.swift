package import Capture
package import Events
package import HTTP
internal import Linux
package import MappedStore
package import Queues
package import Values

// The store's operations for a single item, or without arguments that tests do not need.

extension MappedCapture {
    package func create(
        _ id: Endpoint.ID, for request: RequestID?, from address: String? = nil, at moment: Moment,
        _ limits: CaptureLimits
    ) throws(StoreFailure) -> Creation {
        try create({ _ in id }, for: request, from: address, at: moment, limits)
    }

    package func create(
        _ id: (UInt64) -> Endpoint.ID, for request: RequestID?, from address: String? = nil, at moment: Moment,
        _ limits: CaptureLimits
    ) throws(StoreFailure) -> Creation {
        try create(id, name: nil, for: request, from: address, at: moment, limits)
    }

    package func hasNews(
        at id: Endpoint.ID, after number: UInt64, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Bool { try hasNews(at: [(id, number)], at: moment, limits)[0] }
}

extension MappedQueues {
    package func hasNews(for client: String, of user: User) throws(StoreFailure) -> Bool {
        try hasNews(for: [(client, user)])[0]
    }

    package func setPassword(
        of user: String, to hash: PasswordHash, for request: RequestID?
    ) throws(StoreFailure) -> Bool { try setPassword(of: user, to: hash, by: nil, for: request) }
}

extension MappedEvents {
    /// Creates a subscription without a limit; `nil` if the id is taken.
    package func create(_ subscription: Subscription) throws(StoreFailure) -> Subscription? {
        guard case .made(let made) = try create(subscription, for: nil, limit: .max) else { return nil }
        return made
    }

    package func event(_ id: UUID) throws(StoreFailure) -> EventHistory? { try event(id, for: nil) }
}

extension MappedEvents {
    /// Changes a subscription, if it exists.
    package func change(_ id: UUID, _ body: (inout Subscription) -> Void) throws(StoreFailure) {
        guard let before = try subscription(id) else { return }
        var changed = before
        body(&changed)
        _ = try replace(before, by: changed)
    }
}

extension EventMatcher {
    /// A step on the thread of the test.
    package func step(until deadline: Timestamp, now: () -> Moment) throws(StoreFailure) -> Bool {
        try LoopExecutor.complete { () async throws(StoreFailure) in try await match(until: deadline, now: now) }
    }
}
