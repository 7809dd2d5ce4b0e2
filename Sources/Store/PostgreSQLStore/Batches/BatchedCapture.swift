package import Capture
package import Delivery
package import HTTP
internal import MappedStore
internal import Storage
package import Values

/// Capture in a database: each operation waits for its batch.
package final class BatchedCapture {
    private let batches: Batches
    private let store: MappedCapture

    init(_ batches: Batches, _ store: MappedCapture) {
        (self.batches, self.store) = (batches, store)
    }
}

extension BatchedCapture: CaptureStore {
    package func create(
        _ id: @escaping (UInt64) -> Endpoint.ID, name: String?, for request: RequestID?, from address: String?,
        at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Creation {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.create(id, name: name, for: request, from: address, at: moment, limits)
        }
    }

    package func endpoint(_ id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits) async throws(StoreFailure)
        -> Endpoint?
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.endpoint(id, at: moment, limits) }
    }

    package func receiver(of id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits) async throws(StoreFailure)
        -> StoredReceiver?
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.receiver(of: id, at: moment, limits) }
    }

    package func receiverToChange(of id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits)
        async throws(StoreFailure) -> StoredReceiver?
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.receiverToChange(of: id, at: moment, limits)
        }
    }

    package func accept(
        _ notification: Notification, at id: Endpoint.ID, for request: RequestID?, using use: ReceiverChange?,
        confirming confirmation: Confirmation?, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Acceptance {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.accept(
                notification, at: id, for: request, using: use, confirming: confirmation, at: moment, limits)
        }
    }

    package func keep(_ refused: RefusedNotification, at id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits)
        async throws(StoreFailure)
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.keep(refused, at: id, at: moment, limits) }
    }

    package func refused(
        at id: Endpoint.ID, _ position: Position, limit: Int, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> [NumberedRefusal]? {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.refused(at: id, position, limit: limit, at: moment, limits)
        }
    }

    package func collect(
        from id: Endpoint.ID, for request: RequestID?, at moment: Moment, _ limits: CaptureLimits, mayBeLong: Bool
    ) async throws(StoreFailure) -> Finding {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.collect(from: id, for: request, at: moment, limits, mayBeLong: mayBeLong)
        }
    }

    package func look(
        at id: Endpoint.ID, _ position: Position, limit: Int, at moment: Moment, _ limits: CaptureLimits,
        mayBeLong: Bool
    ) async throws(StoreFailure) -> Finding {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.look(at: id, position, limit: limit, at: moment, limits, mayBeLong: mayBeLong)
        }
    }

    package func page(of range: NotificationRange, from number: UInt64, atMost bytes: Int) async throws(StoreFailure)
        -> [NotificationPiece]
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.page(of: range, from: number, atMost: bytes)
        }
    }

    package func body(of range: NotificationRange, at number: UInt64, bytes: Range<Int>, of bodyBytes: Int)
        async throws(StoreFailure) -> [UInt8]?
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.body(of: range, at: number, bytes: bytes, of: bodyBytes)
        }
    }

    package func keepCollected(_ range: NotificationRange, from number: UInt64, at moment: Moment)
        async throws(StoreFailure) -> NotificationRange?
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.keepCollected(range, from: number, at: moment)
        }
    }

    package func hasNews(at endpoints: [(id: Endpoint.ID, after: UInt64)], at moment: Moment, _ limits: CaptureLimits)
        async throws(StoreFailure) -> [Bool]
    {
        try await batches.runAll(endpoints) { [store] endpoint throws(StoreFailure) in
            try store.hasNews(at: [endpoint], at: moment, limits)
        }.map { $0 == [true] }
    }

    package func acknowledge(through number: UInt64, at id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits)
        async throws(StoreFailure) -> Bool
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.acknowledge(through: number, at: id, at: moment, limits)
        }
    }

    package func configure(
        _ id: Endpoint.ID, _ configuration: Configuration, at moment: Moment, _ limits: CaptureLimits
    ) async throws(StoreFailure) -> Bool {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.configure(id, configuration, at: moment, limits)
        }
    }

    package func delete(_ id: Endpoint.ID) async throws(StoreFailure) -> Bool {
        try await batches.run { [store] () throws(StoreFailure) in try store.delete(id) }
    }

    package func count(_ event: CaptureEvent) { store.count(event) }

    package func overview(newest limit: Int) async throws(StoreFailure) -> Overview {
        try await batches.run { [store] () throws(StoreFailure) in try store.overview(newest: limit) }
    }

    package func removeOverdue(at moment: Moment, _ limits: CaptureLimits, limit: Int) async throws(StoreFailure) -> Int
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.removeOverdue(at: moment, limits, limit: limit)
        }
    }
}

extension BatchedCapture: ForwardRequestStore {
    package func forward(
        _ notifications: [UInt64], to urls: [String], at id: Endpoint.ID, for request: RequestID?, at moment: Moment,
        _ limits: CaptureLimits
    ) async throws(StoreFailure) -> ForwardBeginning {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.forward(notifications, to: urls, at: id, for: request, at: moment, limits)
        }
    }

    package func forwards(at id: Endpoint.ID, before: UInt64, limit: Int, at moment: Moment, _ limits: CaptureLimits)
        async throws(StoreFailure) -> (forwards: [Forward], forwarding: Forwarding)?
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.forwards(at: id, before: before, limit: limit, at: moment, limits)
        }
    }

    package func forwarding(of id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits) async throws(StoreFailure)
        -> Forwarding?
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.forwarding(of: id, at: moment, limits) }
    }
}

extension BatchedCapture: ForwardStore {
    package func nextForward(after now: Timestamp) async throws(StoreFailure) -> Timestamp? {
        try await batches.run { [store] () throws(StoreFailure) in try store.nextForward(after: now) }
    }

    package func beginForwards(
        _ room: ForwardRoom, from position: ForwardPosition?, limit: Int, leaseSeconds: Double, at moment: Moment
    ) async throws(StoreFailure) -> ForwardStarts {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.beginForwards(room, from: position, limit: limit, leaseSeconds: leaseSeconds, at: moment)
        }
    }

    package func conclude(
        _ pending: PendingForward, _ result: ForwardResult, _ policy: RetryPolicy, jitter: Double, at moment: Moment
    ) async throws(StoreFailure) -> Forward? {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.conclude(pending, result, policy, jitter: jitter, at: moment)
        }
    }

    package func endForwardLeases(longest leaseSeconds: Double, at moment: Moment) async throws(StoreFailure) -> Int {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.endForwardLeases(longest: leaseSeconds, at: moment)
        }
    }

    package func forwardMetrics() async throws(StoreFailure) -> ForwardMetrics {
        try await batches.run { [store] () throws(StoreFailure) in try store.forwardMetrics() }
    }
}

extension BatchedCapture: ConfirmationStore {
    package func nextConfirmation() async throws(StoreFailure) -> Timestamp? {
        try await batches.run { [store] () throws(StoreFailure) in try store.nextConfirmation() }
    }

    package func beginConfirmation(leaseSeconds: Double, at moment: Moment) async throws(StoreFailure)
        -> PendingConfirmation?
    {
        try await batches.run { [store] () throws(StoreFailure) in
            try store.beginConfirmation(leaseSeconds: leaseSeconds, at: moment)
        }
    }

    package func conclude(_ pending: PendingConfirmation, _ result: ConfirmationResult, at moment: Moment)
        async throws(StoreFailure) -> Confirmation?
    {
        try await batches.run { [store] () throws(StoreFailure) in try store.conclude(pending, result, at: moment) }
    }
}

extension BatchedCapture: CaptureMaintenance {
    package func forgetMakers(from start: [UInt8], limit: Int) async throws(StoreFailure) -> [UInt8] {
        try await batches.run { [store] () throws(StoreFailure) in try store.forgetMakers(from: start, limit: limit) }
    }
}
