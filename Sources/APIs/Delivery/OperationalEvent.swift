internal import HTTP
package import Values

/// Something about deliveries that operators want to hear of.
package struct OperationalEvent: Equatable, Sendable {
    package enum Kind: String, Equatable, Sendable, CaseIterable {
        /// A destination was disabled, and nobody had asked for it.
        case endpointDisabled = "endpoint.disabled"
        /// For half, 70 % or 90 % of the time after which a destination is disabled there were failures alone.
        case endpointFailing = "endpoint.failing"
        /// The fourth attempt has failed.
        case attemptFailing = "message.attempt.failing"
        /// The last attempt has failed.
        case messageExhausted = "message.exhausted"
        /// What had failed four times, or had been given up, was delivered.
        case messageRecovered = "message.recovered"
    }

    package enum Value: Equatable, Sendable {
        case text(String)
        case number(Int)
    }

    /// What operators are told beside the kind, in order.
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

    /// How many attempts have failed where operators hear of it.
    package static let failingAttempts = 4

    /// What an attempt that is over means for its message.
    /// - Parameter attempts: how many there were, this one included.
    package static func kinds(
        after verdict: Verdict, attempts: Int, _ delivery: Delivery, wish: ReceiverWish
    ) -> [Kind] {
        if verdict == .delivered {
            return attempts > failingAttempts || delivery.isRepair ? [.messageRecovered] : []
        }
        // One attempt by hand is over whatever becomes of it.
        guard delivery.trigger == .scheduled || delivery.trigger == .recover else { return [] }
        var kinds: [Kind] = []
        if attempts == failingAttempts { kinds.append(.attemptFailing) }
        if verdict == .givenUp, !wish.abortsMessage { kinds.append(.messageExhausted) }
        return kinds
    }
}
