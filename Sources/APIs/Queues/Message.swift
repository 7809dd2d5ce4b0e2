internal import HTTP
package import Values

/// One item of a queue, as it was sent.
package struct Message: Equatable, Sendable {
    package let body: [UInt8]
    package let receivedAt: Timestamp

    package init(body: [UInt8], receivedAt: Timestamp) {
        self.body = body
        self.receivedAt = receivedAt
    }
}

/// A message and its id in its queue, from 1 on.
package struct NumberedMessage: Equatable, Sendable {
    package let id: UInt64
    package let message: Message

    package init(id: UInt64, message: Message) {
        self.id = id
        self.message = message
    }
}
