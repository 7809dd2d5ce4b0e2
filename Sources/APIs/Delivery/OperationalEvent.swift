internal import HTTP
package import Values

/// An event about deliveries that is reported to operators.
package struct OperationalEvent: Equatable, Sendable {
    package enum Kind: String, Equatable, Sendable, CaseIterable {
        /// A destination was disabled, and no client did it.
        case endpointDisabled = "endpoint.disabled"
        /// All attempts have failed for 50, 70 or 90 % of the time after which a destination is disabled.
        case endpointFailing = "endpoint.failing"
        /// The fourth attempt has failed.
        case attemptFailing = "message.attempt.failing"
        /// The last attempt has failed.
        case messageExhausted = "message.exhausted"
        /// A message was delivered that had failed at least four times, or had been given up.
        case messageRecovered = "message.recovered"
    }

    package enum Value: Equatable, Sendable {
        case text(String)
        case number(Int)
    }

    /// A detail that is reported beside the kind; details keep their order.
    package struct Detail: Equatable, Sendable {
        package let name: String
        package let value: Value

        package init(_ name: String, _ value: Value) {
            self.name = name
            self.value = value
        }
    }

    package let kind: Kind
    package let time: Timestamp
    package let details: [Detail]

    package init(_ kind: Kind, at time: Timestamp, _ details: [Detail]) {
        self.kind = kind
        self.time = time
        self.details = details
    }

    /// The number of failed attempts at which operators are informed.
    package static let failingAttempts = 4

    /// The events that follow from an attempt that has ended.
    /// - Parameter attempts: the number of attempts so far, this one included.
    package static func kinds(
        after verdict: Verdict, attempts: Int, _ delivery: Delivery, wish: ReceiverWish
    ) -> [Kind] {
        if verdict == .delivered {
            return attempts > failingAttempts || delivery.isRepair ? [.messageRecovered] : []
        }
        // A manual or test delivery has only one attempt, whatever its outcome.
        guard delivery.trigger == .scheduled || delivery.trigger == .recover else { return [] }
        var kinds: [Kind] = []
        if attempts == failingAttempts { kinds.append(.attemptFailing) }
        if verdict == .givenUp, !wish.abortsMessage { kinds.append(.messageExhausted) }
        return kinds
    }
}
