internal import HTTP
package import Values

/// One HTTP request made for a delivery, and its outcome.
package struct Attempt: Equatable, Sendable {
    package enum ErrorKind: UInt8, Equatable, Sendable, CaseIterable {
        case dns = 1
        case connect, tls, timeout, reset
        case blockedIP
        case protocolError
        /// The receiver answered with another status than 2xx.
        case status
        /// Nothing was sent, as the destination is disabled.
        case disabled
        /// Nothing was sent, as what was to be sent is no longer kept, or its keys cannot be opened.
        case unavailable
        /// Nothing was sent, as whoever must agree did not.
        case withheld
        /// Nothing was sent, as whoever must agree could not be asked, or failed.
        case approval
        /// Nothing was sent, as the receiver has not agreed to be sent anything.
        case consent
    }

    /// What was said by whom the destination's deliveries need the agreement of.
    package struct Approval: Equatable, Sendable {
        /// `nil` where no response came.
        package var status: Int?
        /// The beginning of the response's body.
        package var body: [UInt8]

        package init(status: Int? = nil, body: [UInt8] = []) {
            self.status = status
            self.body = body
        }
    }

    package struct Failure: Equatable, Sendable {
        package var kind: ErrorKind
        package var text: String

        package init(kind: ErrorKind, text: String) {
            self.kind = kind
            self.text = text
        }
    }

    /// What was sent, secrets masked.
    package var requestHeaders: [HeaderField]
    /// `nil` where no response came.
    package var status: Int?
    package var responseHeaders: [HeaderField]
    /// The beginning of the response's body.
    package var responseBody: [UInt8]
    package var isResponseTruncated: Bool
    /// `nil` where the receiver took it.
    package var failure: Failure?
    package var durationMilliseconds: UInt64
    /// When it began.
    package var triggeredAt: Timestamp
    /// `nil` where nobody was asked.
    package var approval: Approval?

    package init(
        requestHeaders: [HeaderField] = [], status: Int? = nil, responseHeaders: [HeaderField] = [],
        responseBody: [UInt8] = [], isResponseTruncated: Bool = false, failure: Failure? = nil,
        durationMilliseconds: UInt64 = 0, triggeredAt: Timestamp, approval: Approval? = nil
    ) {
        self.requestHeaders = requestHeaders
        self.status = status
        self.responseHeaders = responseHeaders
        self.responseBody = responseBody
        self.isResponseTruncated = isResponseTruncated
        self.failure = failure
        self.durationMilliseconds = durationMilliseconds
        self.triggeredAt = triggeredAt
        self.approval = approval
    }

    /// About as many bytes as the log keeps of it.
    package var loggedBytes: Int {
        let fields = [requestHeaders, responseHeaders].joined()
        return fields.reduce(responseBody.count) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }

    /// The first value under a name of the response's fields.
    /// - Parameter name: in lower case.
    package func responseHeader(_ name: String) -> String? {
        responseHeaders.first { $0.name.lowercased() == name }?.value
    }
}

/// What follows from an attempt for its delivery.
package enum Verdict: Equatable, Sendable {
    case delivered
    /// It is tried again after so many seconds.
    case retry(seconds: Double)
    case givenUp
}

/// What a receiver asks of the sender beside its status (Standard Webhooks, and RFC 9110, section 10.2.3).
package struct ReceiverWish: Equatable, Sendable {
    /// Seconds that it wants to be left alone.
    package var retryAfter: Double?
    /// This message is not to be sent again.
    package var abortsMessage = false
    /// Nothing is to be sent again.
    package var disables = false

    package init(_ attempt: Attempt, now: Timestamp, disablesOnGone: Bool) {
        retryAfter = attempt.responseHeader("retry-after").flatMap { Self.seconds($0, now: now) }
        switch attempt.responseHeader("webhook-delivery")?.lowercased() {
        case "abort-message": abortsMessage = true
        case "disable": disables = true
        default: break
        }
        if attempt.status == 410, disablesOnGone { disables = true }
    }

    /// Seconds, or a date (RFC 9110, section 5.6.7).
    private static func seconds(_ text: String, now: Timestamp) -> Double? {
        if !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) { return Double(text) }
        return Timestamp(httpDate: text).map { max(0, $0.seconds(since: now)) }
    }
}

extension Attempt {
    /// What follows for the delivery, by its destination's policy.
    /// - Parameters:
    ///   - attempts: how many there were, this one included.
    ///   - jitter: from 0 to 1.
    package func verdict(
        _ policy: RetryPolicy, _ kind: ProtocolKind = .webhook, attempts: Int, trigger: Trigger, wish: ReceiverWish,
        jitter: Double
    ) -> Verdict {
        guard failure != nil else { return .delivered }
        if wish.abortsMessage || wish.disables || trigger == .test || trigger == .manual { return .givenUp }
        if isFinal { return .givenUp }
        // Events are tried again when their schedule says so, or the receiver.
        let isOverloaded = kind == .webhook && (status == 429 || failure?.kind == .timeout)
        let wait = policy.wait(after: attempts, asked: wish.retryAfter, isOverloaded: isOverloaded, jitter: jitter)
        return wait.map { .retry(seconds: $0) } ?? .givenUp
    }
}

extension Attempt {
    /// Whether another attempt could mend nothing.
    private var isFinal: Bool {
        switch failure?.kind {
        case .disabled, .unavailable, .withheld: true
        default: false
        }
    }

    /// Whether it failed or succeeded at the receiver, and not before it.
    package var reachedReceiver: Bool {
        switch failure?.kind {
        case .withheld, .approval, .disabled, .unavailable: false
        default: true
        }
    }
}
