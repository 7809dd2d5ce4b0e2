internal import Delivery
internal import HTTP
internal import Logging
internal import StandardWebhooks
internal import Storage

extension Logger {
    /// One line, whose message is the event's name.
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
    /// Has operational events delivered where the settings say.
    func sendOperationalEvents(of store: any StorageEngine, sealing: Sealing) throws {
        let secret = operationalSecret.flatMap { WebhookSecret($0)?.bytes }
        let wanted = operationalURL.map { url in
            Destination(
                number: 0, url: url, sealedSecret: secret.map { sealing.seal($0, .secret) }, policy: .standard)
        }
        try store.deliveries.sendOperationalEvents(to: wanted) { found in
            found.url == operationalURL && found.sealedSecret.flatMap { sealing.open($0, .secret) } == secret
        }
        try store.commit()
    }
}
