@testable import Delivery
@testable import HTTP
@testable import JSON
@testable import MappedStore
@testable import Values
@testable import Webhooks

private let now = Timestamp(microseconds: 1_800_000_000_000_000)

/// Bytes from a damaged file are refused, or are a record that can be used and is read back the same.
func fuzzDeliveryRecords(_ bytes: [UInt8]) {
    let span = unsafe bytes.span.bytes
    if let destination = DestinationRecord.decode(span, at: 7) {
        let again = unsafe DestinationRecord.decode(DestinationRecord.encode(destination).span.bytes, at: 7)
        require(again == destination, "another destination")
        _ = destination.isDisabled(at: now)
        use(destination, DestinationState())
    }
    if let state = DestinationState(span) {
        unsafe require(DestinationState(state.encoded.span.bytes) == state, "another state")
        let limits = DestinationLimits(inFlight: 3, rate: 0.5)
        use(Destination(number: 1, url: "http://x/", policy: .standard, limits: limits), state)
        if let id = UUID("00000000-0000-4000-8000-000000000000") {
            use(Destination(number: 1, url: id.description, policy: .own(.fixed(retries: 1, interval: 1))), state)
        }
    }
    if let payload = PayloadRecord.decode(span, at: 7) {
        unsafe require(
            PayloadRecord.decode(PayloadRecord.encode(payload).span.bytes, at: 7) == payload, "another payload")
    }
    if let entry = AttemptRecord(span) {
        unsafe require(AttemptRecord(entry.encoded.span.bytes) == entry, "another log entry")
        unsafe require(AttemptRecord(entry.summary.encoded.span.bytes) == entry.summary, "another summary")
        let wish = ReceiverWish(entry.attempt, now: now, disablesOnGone: true)
        let verdict = entry.attempt.verdict(.standard, attempts: 1, trigger: entry.trigger, wish: wish, jitter: 1)
        if case .retry(let seconds) = verdict { _ = now.adding(seconds: seconds) }
    }
    if let keyring = KeyringRecord.decode(span, at: 7) {
        unsafe require(
            KeyringRecord.decode(KeyringRecord.encode(keyring).span.bytes, at: 7) == keyring, "another keyring")
        _ = KeyRotation(keyring, at: now, overlapSeconds: 86_400)
    }
    if let state = DeliveryState(span) {
        unsafe require(DeliveryState(state.encoded.span.bytes) == state, "other counts")
    }
    let destination = Destination(number: 7, url: "http://x/", policy: .standard)
    if let record = WebhookRecord(span) {
        unsafe require(WebhookRecord(record.encoded.span.bytes) == record, "another webhook")
        _ = valueJSON { json in record.webhook(destination, DestinationState()).write(to: &json) }
    }
    if let environment = EnvironmentRecord(span) {
        unsafe require(EnvironmentRecord(environment.encoded.span.bytes) == environment, "another environment")
    }
    if let key = DeliveryKey(keyBytes: Array(bytes.prefix(24))) {
        require(key.keyBytes == Array(bytes.prefix(24)), "another key")
        let record = Array(bytes.dropFirst(24))
        if let delivery = unsafe DeliveryRecord.decode(record.span.bytes, at: key) {
            require(DeliveryKey(delivery) == key, "another key")
            let encoded = DeliveryRecord.encode(delivery)
            unsafe require(DeliveryRecord.decode(encoded.span.bytes, at: key) == delivery, "another delivery")
        }
    }
    if let key = EventKey(keyBytes: Array(bytes.prefix(48))) {
        let record = Array(bytes.dropFirst(48))
        if let known = unsafe EventIDRecord.decode(record.span.bytes, at: key) {
            let encoded = EventIDRecord.encode(known)
            unsafe require(EventIDRecord.decode(encoded.span.bytes, at: key) == known, "another event")
        }
    }
}

/// No calculation with the record may overflow.
private func use(_ destination: Destination, _ state: DestinationState) {
    var health = state.health
    let policy = RetryPolicies()[destination.policy]
    _ = health.allowance(destination, inFlight: 0, at: now)
    health.begin(destination, at: now)
    for verdict in [Verdict.retry(seconds: 1), .givenUp, .delivered] {
        _ = health.conclude(verdict, policy, at: now)
        _ = health.allowance(destination, inFlight: 1, at: now)
    }
    for attempts in 1...3 { _ = policy.wait(after: attempts, asked: 1e9, isOverloaded: true, jitter: 1) }
    _ = objectJSON { json in
        WebhookStatistics(health: state.health, pending: 1).writeMembers(to: &json, at: Moment(wall: now, steady: now))
    }
}
