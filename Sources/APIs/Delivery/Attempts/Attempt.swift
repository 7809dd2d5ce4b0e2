internal import HTTP
package import Values

/// One try to make a delivery, and its outcome: one HTTP request, and up to two before it (consent and approval).
package struct Attempt: Equatable, Sendable {
    package enum ErrorKind: UInt8, Equatable, Sendable, CaseIterable {
        case dns = 1
        case connect, tls, timeout, reset
        case blockedIP
        case protocolError
        /// The receiver's status was not 2xx.
        case status
        /// Nothing was sent: the destination is disabled.
        case disabled
        /// Nothing was sent: the payload is no longer stored, or its keys cannot be opened.
        case unavailable
        /// Nothing was sent: the policy service refused.
        case withheld
        /// Nothing was sent: the policy service could not be asked, or failed.
        case approval
        /// Nothing was sent: the receiver has not consented.
        case consent
    }

    /// The answer of the policy service that approves the destination's deliveries.
    package struct Approval: Equatable, Sendable {
        /// `nil` if no response came.
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

    /// The headers as sent, secrets masked.
    package var requestHeaders: [HeaderField]
    /// `nil` if no response came.
    package var status: Int?
    package var responseHeaders: [HeaderField]
    /// The beginning of the response's body.
    package var responseBody: [UInt8]
    package var isResponseTruncated: Bool
    /// `nil` if the receiver accepted the request.
    package var failure: Failure?
    package var durationMilliseconds: UInt64
    /// When the attempt began.
    package var triggeredAt: Timestamp
    /// `nil` if no approval was needed.
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

    /// The approximate number of bytes that the log stores of this attempt.
    package var loggedBytes: Int {
        let fields = [requestHeaders, responseHeaders].joined()
        return fields.reduce(responseBody.count) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
    }

    /// The first value of a response field.
    /// - Parameter name: the field's name in lower case.
    package func responseHeader(_ name: String) -> String? {
        responseHeaders.first { $0.name.lowercased() == name }?.value
    }
}

/// The consequence of an attempt for its delivery.
package enum Verdict: Equatable, Sendable {
    case delivered
    /// The delivery is tried again after this many seconds.
    case retry(seconds: Double)
    case givenUp
}

/// What a receiver asks of the sender in addition to the status (Standard Webhooks, and RFC 9110, section 10.2.3).
package struct ReceiverWish: Equatable, Sendable {
    /// Seconds to wait before the next attempt.
    package var retryAfter: Double?
    /// This message must not be sent again.
    package var abortsMessage = false
    /// Nothing must be sent to this destination again.
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

    /// Reads a number of seconds, or a date (RFC 9110, section 5.6.7).
    private static func seconds(_ text: String, now: Timestamp) -> Double? {
        if !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }) { return Double(text) }
        return Timestamp(httpDate: text).map { max(0, $0.seconds(since: now)) }
    }
}

extension Attempt {
    /// The consequence for the delivery, by its destination's policy.
    /// - Parameters:
    ///   - attempts: the number of attempts so far, this one included.
    ///   - jitter: from 0 to 1.
    package func verdict(
        _ policy: RetryPolicy, _ kind: ProtocolKind = .webhook, attempts: Int, trigger: Trigger, wish: ReceiverWish,
        jitter: Double
    ) -> Verdict {
        guard failure != nil else { return .delivered }
        if wish.abortsMessage || wish.disables || trigger == .test || trigger == .manual { return .givenUp }
        if isFinal { return .givenUp }
        // For events, an overload does not delay the retry: only their schedule and the receiver do.
        let isOverloaded = kind == .webhook && (status == 429 || failure?.kind == .timeout)
        let wait = policy.wait(after: attempts, asked: wish.retryAfter, isOverloaded: isOverloaded, jitter: jitter)
        return wait.map { .retry(seconds: $0) } ?? .givenUp
    }
}

extension Attempt {
    /// Whether another attempt cannot succeed.
    private var isFinal: Bool {
        switch failure?.kind {
        case .disabled, .unavailable, .withheld: true
        default: false
        }
    }

    /// Whether the outcome came from the receiver, and not from a step before it.
    package var reachedReceiver: Bool {
        switch failure?.kind {
        case .withheld, .approval, .disabled, .unavailable: false
        default: true
        }
    }
}
