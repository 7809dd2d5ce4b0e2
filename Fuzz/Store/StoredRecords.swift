@testable import Capture
@testable import HTTP
@testable import MappedStore
@testable import Values

/// Bytes from a damaged file are refused, or are a record that can be used and is read back the same.
func fuzzStoredRecords(_ bytes: [UInt8]) {
    let span = unsafe bytes.span.bytes
    if let record = EndpointRecord.decode(span, at: 7) {
        let again = unsafe EndpointRecord.decode(EndpointRecord.encode(record).span.bytes, at: 7)
        require(again?.endpoint == record.endpoint && again?.indexedUse == record.indexedUse, "another endpoint")
        _ = record.endpoint.count
        _ = record.endpoint.isOverdue(at: Timestamp(microseconds: 1_800_000_000_000_000), CaptureLimits())
        require(TimedNumber(keyBytes: record.useKey.keyBytes) == record.useKey, "another key")
    }
    let key = OwnedNumber(7, 7)
    if let notification = NotificationRecord.decode(span, at: key) {
        let again = unsafe NotificationRecord.decode(NotificationRecord.encode(notification).span.bytes, at: key)
        require(again == notification, "another notification")
    }
    if let confirmation = ConfirmationRecord.decode(span) {
        let key = ConfirmationKey(7, confirmation.id)
        let again = unsafe ConfirmationRecord.decode(ConfirmationRecord.encode(confirmation).span.bytes, at: key)
        require(again == confirmation, "another confirmation")
    }
    if let forward = ForwardRecord.decode(span, at: key) {
        let again = unsafe ForwardRecord.decode(ForwardRecord.encode(forward).span.bytes, at: key)
        require(again == forward, "another forward")
    }
    if let forwarding = ForwardingRecord.decode(span, at: 7) {
        let again = unsafe ForwardingRecord.decode(ForwardingRecord.encode(forwarding).span.bytes, at: 7)
        require(again == forwarding, "another record of forwards")
    }
    if let outcome = Outcome(span) { unsafe require(Outcome(outcome.encoded.span.bytes) == outcome, "another outcome") }
    if let state = CaptureState(span) {
        unsafe require(CaptureState(state.encoded.span.bytes) == state, "other counters")
    }
    if let clock = SteadyClock(span) {
        unsafe require(SteadyClock(clock.encoded.span.bytes) == clock, "another clock")
        _ = clock.now()
    }
}
