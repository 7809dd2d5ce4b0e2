@testable import HTTP
@testable import MappedStore
@testable import Queues

/// Bytes from a damaged file are refused, or are a record that can be used and is read back the same.
func fuzzQueueRecords(_ bytes: [UInt8]) {
    let span = unsafe bytes.span.bytes
    if let settings = QueueSettingsRecord.decode(span, at: 7) {
        let again = unsafe QueueSettingsRecord.decode(QueueSettingsRecord.encode(settings).span.bytes, at: 7)
        require(again == settings, "other settings")
        _ = settings.allows("10.0.0.1")
        _ = settings.authentication?.accepts(bytes, FieldList())
    }
    if let log = QueueLogRecord.decode(span, at: 7) {
        let again = unsafe QueueLogRecord.decode(QueueLogRecord.encode(log).span.bytes, at: 7)
        require(again == log, "another log")
        use(log)
    }
    if let message = MessageRecord.decode(span, at: OwnedNumber(7, 7)) {
        let again = unsafe MessageRecord.decode(MessageRecord.encode(message).span.bytes, at: OwnedNumber(7, 7))
        require(again == message, "another message")
    }
    let name = NameDigest("name")
    if let user = UserRecord.decode(span, at: name) {
        unsafe require(UserRecord.decode(UserRecord.encode(user).span.bytes, at: name) == user, "another user")
    }
    if let client = ClientRecord(span) {
        unsafe require(ClientRecord(client.encoded.span.bytes) == client, "another client")
        _ = ClientKey(client.queue, client.name).keyBytes
    }
    if var state = QueueState(span) {
        unsafe require(QueueState(state.encoded.span.bytes) == state, "another state")
        (state.time, state.nextQueue) = (state.time + 1, state.nextQueue + 1)
        (state.nextUser, state.nextRight) = (state.nextUser + 1, state.nextRight + 1)
    }
    if let garbage = Garbage(keyBytes: span) { require(garbage.keyBytes == bytes, "other garbage") }
    _ = isIntact(span)
}

/// No calculation with the log may overflow.
private func use(_ log: QueueLog) {
    var log = log
    let limits = QueueLimits(messageCount: log.count / 2, queueBytes: log.bytes / 2)
    for cursor in [0, log.lost, log.current, .max] { _ = log.standing(of: cursor) }
    require(log.first - 1 <= log.current, "the log begins after its end")
    let id = log.append(bytes: 1 << 40)
    require(id == log.current, "another id")
    if log.exceeds(limits) { log.rollOff(log.first, bytes: 1 << 50) }
}
