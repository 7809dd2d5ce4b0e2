internal import Encodings
internal import HTTP
package import Values

/// A capture URL opened for a client: it accepts notifications and keeps them, in order, until they are collected.
package struct Endpoint: Equatable, Sendable {
    package let id: ID
    /// Numbers endpoints in the order they were created; never used twice.
    package let number: UInt64
    /// While false, notifications are refused, as if the server were down.
    package var isEnabled: Bool
    /// Whether a path may follow the endpoint's id.
    package var takesSubpaths: Bool
    /// On the steady clock, as is `lastUsed`.
    package let created: Timestamp
    package var lastUsed: Timestamp
    /// The sequence number of the oldest notification that was not collected; numbers begin at 1.
    package var uncollected: UInt64
    /// The sequence number of the next notification.
    package var next: UInt64
    /// How many numbers from `uncollected` up to `next` have no notification: after a power cut, numbering continues with
    /// a gap.
    package private(set) var skipped: UInt64
    /// The size in the store of the notifications from `uncollected` on. A compressed body counts decompressed too.
    package var bytes: UInt64
    package var settings: EndpointSettings

    package init(
        id: ID, number: UInt64, isEnabled: Bool = true, takesSubpaths: Bool = false, created: Timestamp,
        lastUsed: Timestamp, uncollected: UInt64 = 1, next: UInt64 = 1, skipped: UInt64 = 0,
        bytes: UInt64 = 0, settings: EndpointSettings = EndpointSettings()
    ) {
        self.id = id
        self.number = number
        self.isEnabled = isEnabled
        self.takesSubpaths = takesSubpaths
        self.created = created
        self.lastUsed = lastUsed
        self.uncollected = uncollected
        self.next = next
        self.skipped = skipped
        self.bytes = bytes
        self.settings = settings
    }

    /// How many notifications wait to be collected.
    package var count: UInt64 { next - uncollected - skipped }

    /// The number of the newest notification that was ever stored; 0 if there was none.
    package var newest: UInt64 { next - 1 }

    /// The numbers of the notifications that wait.
    package var kept: Range<UInt64> { uncollected..<max(uncollected, next) }

    /// Counts the numbers without a notification as skipped.
    /// - Parameter kept: how many notifications are stored between `uncollected` and `next`.
    package mutating func skipMissing(kept: UInt64) { skipped = next - uncollected - min(kept, next - uncollected) }

    /// Assigns a number to a new notification.
    /// - Parameters:
    ///   - size: its size in the store.
    ///   - floor: the lowest number that may be assigned.
    package mutating func append(bytes size: Int, from floor: UInt64) -> UInt64 {
        if floor > next {
            if count == 0 { uncollected = floor } else { skipped += floor - next }
            next = floor
        }
        next += 1
        bytes += UInt64(size)
        return next - 1
    }

    /// Marks all notifications as collected.
    package mutating func collectAll() {
        uncollected = next
        skipped = 0
        bytes = 0
    }

    /// Marks the oldest notifications as collected: those below `end`, `count` of them.
    package mutating func collect(to end: UInt64, count: Int, bytes size: Int) {
        let end = min(max(end, uncollected), next)
        skipped -= min(skipped, end - uncollected - min(UInt64(count), end - uncollected))
        uncollected = end
        bytes -= min(bytes, UInt64(size))
    }

    /// Whether one more notification may be stored.
    /// - Parameter size: the bytes of its body.
    package func acceptance(hasSubpath: Bool, size: Int = 0, _ limits: CaptureLimits) -> Acceptance {
        if hasSubpath, !takesSubpaths { return .noSubpaths }
        if !isEnabled { return .disabled }
        if count >= UInt64(max(0, limits.notificationsPerEndpoint)) { return .tooMany }
        if bytes + UInt64(size) > UInt64(max(0, limits.bytesPerEndpoint)) { return .tooManyBytes }
        return .stored
    }

    /// Whether the oldest notifications may be removed to make room for one that would be refused.
    package func mayDrop(for acceptance: Acceptance, size: Int, _ limits: CaptureLimits) -> Bool {
        guard acceptance == .tooMany || acceptance == .tooManyBytes else { return false }
        return settings.overflow == .dropOldest && limits.notificationsPerEndpoint > 0
            && size <= limits.bytesPerEndpoint
    }
}

extension Endpoint {
    /// 24 bytes. Anyone who knows them may use the endpoint, so they are a secret.
    package struct ID: Hashable, Sendable, CustomStringConvertible {
        package let bytes: [UInt8]

        package init(random: inout some RandomNumberGenerator) {
            bytes = [UInt8](randomCount: 24, using: &random)
        }

        private init(_ number: ArraySlice<UInt8>, _ random: ArraySlice<UInt8>) { bytes = Array(number + random) }

        /// The id with the number of its endpoint instead of its first 6 bytes. Such an endpoint is found by its number, and
        /// an index of ids grows at its end. The other 18 bytes stay random.
        package func numbered(_ number: UInt64) -> ID {
            let number = (0..<8).reversed().map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
            return ID(number.suffix(6), bytes.suffix(18))
        }

        /// The number of the endpoint if the id is one of `numbered`; otherwise any number.
        package var number: UInt64 { bytes.prefix(6).reduce(0) { $0 << 8 | UInt64($1) } }

        package init?(bytes: [UInt8]) {
            guard bytes.count == 24 else { return nil }
            self.bytes = bytes
        }

        /// - Parameter text: 32 characters of Base64, as in URLs.
        package init?(_ text: String) {
            guard text.utf8.count == 32, let bytes = Base64.url.decode(text.utf8) else { return nil }
            self.bytes = bytes
        }

        package var description: String { Base64.url.encode(bytes) }
    }
}

/// The outcome of a notification's arrival.
package enum Acceptance: Equatable, Sendable {
    /// The notification is stored, also if this request is the retry of one that was stored before.
    case stored
    /// The endpoint has settings that say how the sender is answered: nothing is stored until the notification is accepted
    /// with what they say (`CaptureStore.accept`).
    case answers(StoredReceiver)
    case unknownEndpoint
    /// The endpoint does not accept paths below its id.
    case noSubpaths
    case disabled
    /// The endpoint holds as many notifications as it may.
    case tooMany
    /// The endpoint holds as many bytes as it may.
    case tooManyBytes
}

/// The limits of an installation.
package struct CaptureLimits: Equatable, Sendable {
    /// 0 or less: nothing can be created.
    package var endpoints: Int
    /// 0 or less: every notification is refused.
    package var notificationsPerEndpoint: Int
    /// The most bytes of notifications that may wait at an endpoint; this bounds the largest answer.
    package var bytesPerEndpoint: Int
    /// How long an endpoint may be unused.
    package var idleSeconds: Double
    /// How long an endpoint exists after its creation, even if it is used.
    package var lifetimeSeconds: Double
    /// The most forwards that may be pending at one endpoint; 0: nothing is forwarded.
    package var pendingForwards: Int

    /// Whether one more endpoint may be created.
    ///
    /// The last eighth of `endpoints` is for addresses that have few: then an address may not have more endpoints than
    /// can still be created in all, so that no single address prevents others from creating endpoints.
    /// - Parameters:
    ///   - total: how many endpoints exist.
    ///   - own: how many of them were created from the same address.
    package func mayCreate(total: Int, own: Int) -> Bool {
        total < endpoints && (!isScarce(total: total) || own < endpoints - total)
    }

    /// Whether the limit by address applies.
    package func isScarce(total: Int) -> Bool { total >= endpoints - endpoints / 8 }

    package init(
        endpoints: Int = 1024, notificationsPerEndpoint: Int = 100, bytesPerEndpoint: Int = 64 << 20,
        idleSeconds: Double = 3600,
        lifetimeSeconds: Double = 262_800, pendingForwards: Int = 0
    ) {
        self.endpoints = endpoints
        self.notificationsPerEndpoint = notificationsPerEndpoint
        self.bytesPerEndpoint = bytesPerEndpoint
        self.idleSeconds = idleSeconds
        self.lifetimeSeconds = lifetimeSeconds
        self.pendingForwards = pendingForwards
    }
}
