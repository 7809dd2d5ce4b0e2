@testable import Delivery
@testable import Events
@testable import HTTP
@testable import MappedStore

private let destination = Destination(
    number: 7, url: "http://x/", policy: .events, protocolKind: .event, shape: [0, 0x7b, 0x7d])

/// Bytes from a damaged file are refused, or are a record that is read back the same.
func fuzzEventRecords(_ bytes: [UInt8]) {
    let span = unsafe bytes.span.bytes
    if let record = SubscriptionRecord(span) {
        unsafe require(SubscriptionRecord(record.encoded.span.bytes) == record, "another subscription")
        if let subscription = record.subscription(destination) {
            let again = SubscriptionRecord(subscription, revision: record.revision)
            require(again == record, "a record of another subscription")
        }
    }
    if let key = ReplayKey(keyBytes: span) { require(ReplayKey(keyBytes: key.keyBytes) == key, "another replay") }
    if let record = RoutedEventRecord(span) {
        unsafe require(RoutedEventRecord(record.encoded.span.bytes) == record, "other matches")
        require(record.matched.map { $0 == $0.sorted() } ?? true, "matches out of order")
    }
    if let record = WaitingRecord(span) {
        unsafe require(WaitingRecord(record.encoded.span.bytes) == record, "another waiting event")
    }
    if let record = ReplayRecord(span) {
        unsafe require(ReplayRecord(record.encoded.span.bytes) == record, "another replay")
    }
    if let state = EventsState(span) {
        unsafe require(EventsState(state.encoded.span.bytes) == state, "other counts")
    }
    if let shape = EventShape(bytes: bytes) { require(EventShape(bytes: shape.bytes) == shape, "another shape") }
}
