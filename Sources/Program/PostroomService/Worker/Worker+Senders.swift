internal import Capture
internal import Delivery
internal import DeliveryEngine
internal import Logging
internal import Storage

extension SenderWork where Sender == Forwarder {
    /// Sends captured notifications on, if ENDPOINT_FORWARDING allows it.
    convenience init(_ store: any StorageEngine, _ forwarder: Forwarder, _ failures: WorkFailures, _ logger: Logger) {
        self.init(
            store, forwarder, failures, failureMessage: "forwards have to wait; trying again every second"
        ) { step in
            for forward in step.failed { logger.log(forward) }
        }
    }
}

extension SenderWork where Sender == Confirmer {
    /// Confirms the subscriptions that messages of Amazon SNS at capture's endpoints ask for.
    convenience init(_ store: any StorageEngine, _ confirmer: Confirmer, _ failures: WorkFailures, _ logger: Logger) {
        self.init(
            store, confirmer, failures, failureMessage: "confirmations have to wait; trying again every second"
        ) { step in
            for confirmation in step.concluded { logger.log(confirmation) }
        }
    }
}

extension Logger {
    fileprivate func log(_ forward: Forward) {
        debug(
            "gave up forwarding a notification",
            metadata: [
                "forward": .stringConvertible(forward.number), "notification": .stringConvertible(forward.notification),
                "attempts": .stringConvertible(forward.attempts), "reason": "\(forward.last?.failure?.text ?? "")",
            ])
    }

    fileprivate func log(_ confirmation: Confirmation) {
        var details: Logger.Metadata = [
            "topic": "\(confirmation.topic)", "attempts": .stringConvertible(confirmation.attempts),
        ]
        if let error = confirmation.error { details["reason"] = "\(error)" }
        switch confirmation.state {
        case .confirmed: info("confirmed a subscription of Amazon SNS", metadata: details)
        case .pending: info("cannot confirm a subscription of Amazon SNS yet; trying again", metadata: details)
        case .failed:
            warning(
                "gave up confirming a subscription of Amazon SNS: have SNS send its request again", metadata: details)
        }
    }
}
