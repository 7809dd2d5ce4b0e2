internal import Capture

/// A refused request as it is stored under its endpoint's number and its own: the reason, the length of its body, and the
/// request as the record of a notification.
enum RefusalRecord: TableRecord {
    static let name = "a refused request's record"

    private static let version: UInt8 = 1
    private static let headBytes = 10

    static func encode(_ refused: RefusedNotification) -> [UInt8] {
        let notification = NotificationRecord.encode(refused.notification)
        var writer = ByteWriter(reserving: headBytes + notification.count)
        writer.byte(version)
        writer.byte(refused.reason.rawValue)
        writer.fixed(refused.bodyBytes ?? .max)
        writer.rest(notification)
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at key: OwnedNumber) -> RefusedNotification? {
        guard span.byteCount > headBytes else { return nil }
        var reader = ByteReader(span.extracting(first: headBytes))
        guard reader.byte() == version, let reason = reader.byte().flatMap(RefusedNotification.Reason.init),
            let bodyBytes = reader.fixed(),
            let notification = NotificationRecord.decode(span.extracting(droppingFirst: headBytes), at: key)
        else { return nil }
        return RefusedNotification(
            notification: notification, reason: reason, bodyBytes: bodyBytes == .max ? nil : bodyBytes)
    }
}
