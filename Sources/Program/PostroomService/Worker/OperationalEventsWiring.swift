package import Delivery
internal import HTTP
internal import Logging
internal import StandardWebhooks
package import Storage

extension Logger {
    /// Logs an operational event as one line. The message is the event's name.
    func log(_ event: OperationalEvent) {
        var details: Logger.Metadata = [:]
        for detail in event.details {
            switch detail.value {
            case .text(let text): details[detail.name] = "\(text)"
            case .number(let number): details[detail.name] = .stringConvertible(number)
            }
        }
        let level: Logger.Level = event.kind == .messageRecovered ? .notice : .warning
        log(level: level, "\(event.kind.rawValue)", metadata: details)
    }
}

extension Settings {
    /// Stores the destination of operational events that the settings give, or removes it if they give none. Writes nothing
    /// if the store has it so already.
    package func sendOperationalEvents(of store: any StorageEngine, sealing: Sealing) async throws {
        let current = try await store.deliveries.operationalDestination()
        if let url = operationalURL {
            let secret = operationalSecret.flatMap { WebhookSecret($0)?.bytes }
            if let current, current.url == url, current.sealedSecret.flatMap({ sealing.open($0, .secret) }) == secret {
                return
            }
            try await store.deliveries.sendOperationalEvents(
                to: Destination(
                    number: 0, url: url, sealedSecret: secret.map { sealing.seal($0, .secret) }, policy: .standard))
        } else if current != nil {
            try await store.deliveries.sendOperationalEvents(to: nil)
        }
        try store.commit()
    }
}
