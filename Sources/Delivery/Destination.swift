package import Gateway

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

    package init(
        number: UInt64, url: String, method: String = "POST", contentType: String = "application/json",
        sealedHeaders: [UInt8]? = nil, keyring: UInt64? = nil, sealedSecret: [UInt8]? = nil, policy: RetryChoice,
        limits: DestinationLimits = DestinationLimits(), disabledUntil: Timestamp? = nil, disabledReason: String? = nil
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
    }

    package func isDisabled(at now: Timestamp) -> Bool { disabledUntil.map { $0 > now } ?? false }
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
