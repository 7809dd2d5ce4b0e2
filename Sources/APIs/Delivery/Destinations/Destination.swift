internal import HTTP
package import Values

/// Where things are delivered to, and how.
package struct Destination: Equatable, Sendable {
    /// Counts destinations in the order they were made; never used twice.
    package let number: UInt64
    /// http or https.
    package var url: String
    /// In upper case.
    package var method: String
    package var contentType: String
    /// Headers sent beside ours, sealed as they may hold credentials; `nil`: none.
    package var sealedHeaders: [UInt8]?
    /// Whose keys sign what is sent; `nil`: nobody's.
    package var keyring: UInt64?
    /// The key of Standard Webhooks' v1, sealed; `nil`: none.
    package var sealedSecret: [UInt8]?
    package var policy: RetryChoice
    package var limits: DestinationLimits
    /// Nothing is sent before this time of day.
    package var disabledUntil: Timestamp?
    /// Why it was disabled, where nobody asked for it.
    package var disabledReason: String?
    /// Since when it is disabled; told to clients alone.
    package var disabledAt: Timestamp?
    package var protocolKind: ProtocolKind
    /// Who must agree before each attempt: what stands behind the address of that service; `nil`: nobody.
    package var approvalPath: String?
    /// Whether the receiver is asked for its consent before anything is sent, and what it said; `nil`: it is not.
    package var consent: Consent?
    /// How parcels are written for it (`ParcelShaping`); `nil`: as they are.
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

    /// Nothing is sent any longer, until it is enabled.
    package mutating func disable(since time: Timestamp) {
        disabledAt = time
        disabledUntil = .farAhead
    }

    /// How many requests an attempt makes at the most, one after the other: for consent, for approval, and the call.
    package var requests: Int { 1 + (lacksConsent ? 1 : 0) + (approvalPath == nil ? 0 : 1) }
    package static let mostRequests = 3

    /// Whether the receiver has yet to agree to be sent anything.
    package var lacksConsent: Bool { consent.map { $0.url != url } ?? false }

    /// Whether the receiver is asked before anything is sent; what was agreed to before no longer counts.
    package mutating func askConsent(_ isAsked: Bool) {
        consent = isAsked ? Consent() : nil
        limits.rate = nil
    }

    /// The receiver has agreed, and said how much it takes. What another one has said, or nobody wants to know any longer, does
    /// not count.
    package mutating func accept(_ consent: Consent) {
        guard lacksConsent, consent.url == url else { return }
        self.consent = consent
        limits.rate = consent.rate.map { Double($0) / 60 }
    }

    package mutating func enable() { (disabledAt, disabledUntil) = (nil, nil) }

    package func isDisabled(at now: Timestamp) -> Bool { disabledUntil.map { $0 > now } ?? false }
}

/// What calls carry beside the parcel, and what follows from the receiver's answers.
package enum ProtocolKind: UInt8, Equatable, Sendable {
    /// Headers that name event, delivery and attempt, and signatures; whatever is no 2xx is tried again.
    case webhook = 1
    /// Nothing but the parcel's own headers and its id; the last attempt that fails disables the destination.
    case event
}

/// What a receiver that is asked first has said
/// (CloudEvents, github.com/cloudevents/spec, http-webhook.md, section 4).
package struct Consent: Equatable, Sendable {
    /// The URL that it agreed to be called at; `nil`: none yet.
    package var url: String?
    /// Requests a minute that it takes; `nil`: as many as there are.
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
    /// Attempts at a time.
    package var inFlight: Int
    /// Attempts a second; `nil`: as many as there are.
    package var rate: Double?
    /// One delivery after the other: the next waits until the one before has succeeded or is given up.
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
