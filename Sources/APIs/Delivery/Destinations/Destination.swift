internal import HTTP
package import Values

/// A target of deliveries, and how to deliver to it.
package struct Destination: Equatable, Sendable {
    /// Numbers destinations in the order they were created; never used twice.
    package let number: UInt64
    /// http or https.
    package var url: String
    /// In upper case.
    package var method: String
    package var contentType: String
    /// Headers sent in addition to ours, sealed because they may hold credentials; `nil`: none.
    package var sealedHeaders: [UInt8]?
    /// The keyring whose keys sign deliveries; `nil`: none.
    package var keyring: UInt64?
    /// The key of Standard Webhooks' v1, sealed; `nil`: none.
    package var sealedSecret: [UInt8]?
    package var policy: RetryChoice
    package var limits: DestinationLimits
    /// Nothing is sent before this time, by the time of day; `nil`: not disabled.
    package var disabledUntil: Timestamp?
    /// Why the destination was disabled, if that was not done by a client.
    package var disabledReason: String?
    /// When it was disabled. Shown to clients; not used for delivery.
    package var disabledAt: Timestamp?
    package var protocolKind: ProtocolKind
    /// The path, below the policy service's address, that must approve each attempt; `nil`: no approval is needed.
    package var approvalPath: String?
    /// The receiver's consent, which is asked for before anything is sent; `nil`: not asked for.
    package var consent: Consent?
    /// How payloads are written for this destination (`PayloadShaping`); `nil`: unchanged.
    package var shape: [UInt8]?

    package init(
        number: UInt64, url: String, method: String = "POST", contentType: String = "application/json",
        sealedHeaders: [UInt8]? = nil, keyring: UInt64? = nil, sealedSecret: [UInt8]? = nil, policy: RetryChoice,
        limits: DestinationLimits = DestinationLimits(), disabledUntil: Timestamp? = nil,
        disabledReason: String? = nil, disabledAt: Timestamp? = nil, protocolKind: ProtocolKind = .webhook,
        approvalPath: String? = nil, consent: Consent? = nil, shape: [UInt8]? = nil
    ) {
        self.number = number
        self.url = url
        self.method = method
        self.contentType = contentType
        self.sealedHeaders = sealedHeaders
        self.keyring = keyring
        self.sealedSecret = sealedSecret
        self.policy = policy
        self.limits = limits
        self.disabledUntil = disabledUntil
        self.disabledReason = disabledReason
        self.disabledAt = disabledAt
        self.protocolKind = protocolKind
        self.approvalPath = approvalPath
        self.consent = consent
        self.shape = shape
    }

    /// Stops deliveries until the destination is enabled.
    package mutating func disable(since time: Timestamp) {
        disabledAt = time
        disabledUntil = .farAhead
    }

    /// The most requests that an attempt makes, one after the other: for consent, for approval, and the call.
    package var requests: Int { 1 + (lacksConsent ? 1 : 0) + (approvalPath == nil ? 0 : 1) }
    package static let mostRequests = 3

    /// Whether the receiver must still consent before anything is sent.
    package var lacksConsent: Bool { consent.map { $0.url != url } ?? false }

    /// Sets whether the receiver is asked for consent before anything is sent. An earlier consent no longer counts.
    package mutating func askConsent(_ isAsked: Bool) {
        consent = isAsked ? Consent() : nil
        limits.rate = nil
    }

    /// Records the receiver's consent and the rate that it allows. The consent is ignored if it is for another URL, or no
    /// longer needed.
    package mutating func accept(_ consent: Consent) {
        guard lacksConsent, consent.url == url else { return }
        self.consent = consent
        limits.rate = consent.rate.map { Double($0) / 60 }
    }

    package mutating func enable() { (disabledAt, disabledUntil) = (nil, nil) }

    package func isDisabled(at now: Timestamp) -> Bool { disabledUntil.map { $0 > now } ?? false }
}

/// What requests carry in addition to the payload, and how the receiver's responses are treated.
package enum ProtocolKind: UInt8, Equatable, Sendable {
    /// Headers that name event, delivery and attempt, and signatures. Each response that is not 2xx is tried again.
    case webhook = 1
    /// Only the payload's own headers and its id. When the last attempt fails, the destination is disabled.
    case event
}

/// The consent of a receiver that is asked before anything is sent
/// (CloudEvents, github.com/cloudevents/spec, http-webhook.md, section 4).
package struct Consent: Equatable, Sendable {
    /// The URL for which the receiver consented; `nil`: not yet.
    package var url: String?
    /// The requests a minute that it accepts; `nil`: unlimited.
    package var rate: Int?

    package init(url: String? = nil, rate: Int? = nil) {
        self.url = url
        self.rate = rate
    }
}

extension Timestamp {
    /// 9999-12-31T23:59:59Z.
    package static let farAhead = Timestamp(microseconds: 253_402_300_799_000_000)
}

package struct DestinationLimits: Equatable, Sendable {
    /// The most attempts in flight.
    package var inFlight: Int
    /// The most attempts a second; `nil`: unlimited.
    package var rate: Double?
    /// Deliver in order: a delivery waits until the one before it has succeeded or was given up.
    package var isOrdered: Bool

    package init(inFlight: Int = 16, rate: Double? = nil, isOrdered: Bool = false) {
        self.inFlight = inFlight
        self.rate = rate
        self.isOrdered = isOrdered
    }
}

/// A header field of a request or a response.
package struct HeaderField: Equatable, Sendable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}
