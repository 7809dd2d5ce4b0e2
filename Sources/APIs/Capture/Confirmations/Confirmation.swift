internal import CaptureRules
package import Values

/// A subscription of Amazon SNS that is confirmed by a call, and how far that has come.
package struct Confirmation: Equatable, Sendable {
    package enum State: String, CaseIterable, Sendable {
        case pending, confirmed, failed
    }

    package let url: String
    /// 32 bytes, the same for all messages that ask for this confirmation.
    package let id: [UInt8]
    /// The name of the topic, as the sender says.
    package let topic: String
    package var state = State.pending
    /// How many calls were begun.
    package var attempts = 0
    /// While it is pending: when the next call may begin, on the steady clock.
    package var due: Timestamp
    /// The status of the last response.
    package var status: Int?
    /// Why the last call did not confirm it.
    package var error: String?
    /// When it came, or when the last call ended.
    package var at: Timestamp

    /// A new one, whose call is due at once.
    /// - Returns: `nil` if the URL is not one that confirms a subscription of SNS.
    package init?(url: String, at moment: Moment) {
        guard let parsed = SNSConfirmation(url) else { return nil }
        self.init(parsed, at: moment)
    }

    init(_ parsed: SNSConfirmation, at moment: Moment) {
        (url, id, topic) = (parsed.url, parsed.id, parsed.topic)
        due = moment.steady
        at = moment.wall
    }

    /// The pauses after calls that have failed; after the last one it is given up. The token of a subscription is valid for
    /// two days.
    private static let pauses: [Double] = [2, 15, 60, 300, 1800]
    private static let errorBytes = 300

    /// Takes it for a call. Nobody else may call before the lease is over.
    package mutating func begin(leaseSeconds: Double, at moment: Moment) {
        attempts += 1
        due = moment.steady.adding(seconds: leaseSeconds)
    }

    /// Notes how the call has ended that has begun last.
    package mutating func conclude(_ result: ConfirmationResult, at moment: Moment) {
        // It may have been given up meanwhile, as the recipe was removed.
        guard state == .pending || result.isSuccess else { return }
        status = result.status
        error = result.error.map { String(decoding: $0.utf8.prefix(Self.errorBytes), as: UTF8.self) }
        at = moment.wall
        if result.isSuccess {
            state = .confirmed
        } else if result.isFinal || attempts > Self.pauses.count {
            state = .failed
        } else {
            due = moment.steady.adding(seconds: Self.pauses[max(0, attempts - 1)])
        }
    }

    /// Gives up what is pending.
    package mutating func giveUp(_ reason: String, at moment: Moment) {
        guard state == .pending else { return }
        state = .failed
        error = reason
        at = moment.wall
    }
}

/// How a call to confirm a subscription has ended.
package struct ConfirmationResult: Equatable, Sendable {
    /// `nil` if there was no response.
    package let status: Int?
    /// `nil` if the subscription is confirmed.
    package let error: String?

    package var isSuccess: Bool { error == nil }
    /// Whether another call would end in the same way: the response says that the request is wrong.
    var isFinal: Bool { status.map { (300..<500).contains($0) && $0 != 408 && $0 != 429 } ?? false }

    package init(status: Int) {
        self.status = status
        error = (200..<300).contains(status) ? nil : "Amazon SNS answered \(status)"
    }

    package init(failure: String) {
        status = nil
        error = failure
    }
}

/// What a notification has to do with a confirmation.
package enum ConfirmationReference: Equatable, Sendable {
    /// It asks for the one with this id.
    case to([UInt8])
    /// It asks to call a URL that is not one of SNS.
    case refusedURL
    /// It was not begun, as too many were pending.
    case tooMany
}
