package import Values

/// The settings of an endpoint that the original API does not have.
package struct EndpointSettings: Equatable, Sendable {
    /// What happens to a notification for which there is no room.
    package enum Overflow: String, CaseIterable, Sendable {
        case refuse
        /// The oldest notifications are removed to make room.
        case dropOldest = "drop-oldest"
    }

    package var overflow = Overflow.refuse
    /// Whether web pages of any site may send to the endpoint (CORS).
    package var isOpenToPages = false
    /// Whether the endpoint stays although it is idle, or older than others may become.
    package var isPinned = false
    /// When the endpoint ends, on the steady clock; `nil`: by the limits of the installation.
    package var expires: Timestamp?
    /// Given when the endpoint was created, and part of its URL in place of its id.
    package var name: String?
    /// The header field by which attempts of one delivery are recognized, before those that are usual.
    package var deliveryHeader: String?
    /// Whether the endpoint has a `StoredReceiver`.
    package var hasReceiver = false
    /// Whether the endpoint has standing forwards (`Forwarding.urls`).
    package var hasForwards = false

    package init() {}
}

extension Endpoint {
    /// Whether it has been idle or open for longer than allowed. From then on it is treated as removed.
    package func isOverdue(at now: Timestamp, _ limits: CaptureLimits) -> Bool {
        if let expires = settings.expires, now >= expires { return true }
        guard !settings.isPinned else { return false }
        return now.seconds(since: lastUsed) > limits.idleSeconds
            || now.seconds(since: created) > limits.lifetimeSeconds
    }

    /// When it will be overdue if it is not used any more; `nil`: never.
    package func end(_ limits: CaptureLimits) -> Timestamp? {
        var ends = settings.expires.map { [$0] } ?? []
        if !settings.isPinned {
            ends.append(lastUsed.adding(seconds: limits.idleSeconds))
            ends.append(created.adding(seconds: limits.lifetimeSeconds))
        }
        return ends.min()
    }

    /// The last use after which the endpoint, if it was idle, would have to be looked at when it ends.
    package func indexedUse(at now: Timestamp, _ limits: CaptureLimits) -> Timestamp {
        let use = settings.isPinned ? now : lastUsed
        return settings.expires.map { min(use, $0.adding(seconds: -limits.idleSeconds)) } ?? use
    }

    /// The text by which clients know the endpoint.
    package var reference: String { settings.name ?? id.description }
}

/// What clients of an installation may do.
package struct CapturePermissions: Equatable, Sendable {
    package var allowsNames = false
    package var allowsPins = false
    /// Whether notifications may be sent on to other addresses.
    package var allowsForwarding = false

    package init(allowsNames: Bool = false, allowsPins: Bool = false, allowsForwarding: Bool = false) {
        self.allowsNames = allowsNames
        self.allowsPins = allowsPins
        self.allowsForwarding = allowsForwarding
    }
}
