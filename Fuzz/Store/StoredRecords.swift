@testable import Capture
@testable import HTTP
@testable import MappedStore
@testable import Values

/// Bytes from a damaged file are refused, or are a record that can be used and comes to the same bytes' meaning again.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe input(start, count)
    let span = unsafe bytes.span.bytes
    if let record = EndpointRecord(span, number: 7) {
        let again = unsafe EndpointRecord(record.encoded.span.bytes, number: 7)
        require(again?.endpoint == record.endpoint && again?.indexedUse == record.indexedUse, "another endpoint")
        _ = record.endpoint.count
        _ = record.endpoint.isOverdue(at: Timestamp(microseconds: 1_800_000_000_000_000), CaptureLimits())
        let use = unsafe EndpointRecord.use(fromKey: record.useKey.span.bytes)
        require(use?.time == record.indexedUse && use?.number == 7, "another key")
    }
    if let notification = NotificationRecord.decode(span) {
        let again = unsafe NotificationRecord.decode(NotificationRecord.encode(notification).span.bytes)
        require(again == notification, "another notification")
    }
    if let outcome = Outcome(span) { unsafe require(Outcome(outcome.encoded.span.bytes) == outcome, "another outcome") }
    if let state = CaptureState(span) {
        unsafe require(CaptureState(state.encoded.span.bytes) == state, "other counters")
    }
    if let clock = SteadyClock(span) {
        unsafe require(SteadyClock(clock.encoded.span.bytes) == clock, "another clock")
        _ = clock.now()
    }
    return 0
}
