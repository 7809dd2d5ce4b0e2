import Capture
import Delivery
import HTTP
import Queues
import Values
import Webhooks

@testable import MappedStore

// The store reads records in place in the map; tests have them as arrays.

extension EndpointRecord {
    init?(_ bytes: [UInt8], number: UInt64) { unsafe self.init(bytes.span.bytes, number: number) }

    static func use(fromKey bytes: [UInt8]) -> (time: Timestamp, number: UInt64)? {
        unsafe use(fromKey: bytes.span.bytes)
    }
}

extension NotificationRecord {
    static func decode(_ bytes: [UInt8]) -> Notification? { unsafe decode(bytes.span.bytes) }
}

extension Outcome {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }
}

extension CaptureState {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }
}

extension SteadyClock {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }
}

extension QueueSettingsRecord {
    static func decode(_ bytes: [UInt8]) -> QueueSettings? { unsafe decode(bytes.span.bytes) }
}

extension QueueLogRecord {
    static func decode(_ bytes: [UInt8]) -> QueueLog? { unsafe decode(bytes.span.bytes) }
}

extension MessageRecord {
    static func decode(_ bytes: [UInt8]) -> Message? { unsafe decode(bytes.span.bytes) }

    static func isWhole(_ bytes: [UInt8]) -> Bool { unsafe isIntact(bytes.span.bytes) }
}

extension UserRecord {
    static func decode(_ bytes: [UInt8]) -> User? { unsafe decode(bytes.span.bytes) }
}

extension ClientRecord {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }
}

extension QueueState {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }
}

extension Garbage {
    init?(key bytes: [UInt8]) { unsafe self.init(key: bytes.span.bytes) }
}

extension DestinationRecord {
    static func decode(_ bytes: [UInt8], number: UInt64) -> Destination? {
        unsafe decode(bytes.span.bytes, number: number)
    }
}

extension DeliveryMetricsRecord {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }
}

extension DestinationState {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }
}

extension ParcelRecord {
    static func decode(_ bytes: [UInt8], number: UInt64) -> Parcel? { unsafe decode(bytes.span.bytes, number: number) }

    static func isWhole(_ bytes: [UInt8]) -> Bool { unsafe isIntact(bytes.span.bytes) }
}

extension AttemptRecord {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }

    static func isWhole(_ bytes: [UInt8]) -> Bool { unsafe isIntact(bytes.span.bytes) }
}

extension KeyringRecord {
    static func decode(_ bytes: [UInt8], number: UInt64) -> Keyring? { unsafe decode(bytes.span.bytes, number: number) }
}

extension WebhookRecord {
    static func decode(_ bytes: [UInt8], _ destination: Destination, _ state: DestinationState) -> Webhook? {
        unsafe decode(bytes.span.bytes, destination, state)
    }
}

extension DeliveryState {
    init?(_ bytes: [UInt8]) { unsafe self.init(bytes.span.bytes) }
}
