internal import Cryptography
internal import Encodings
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Values

/// The original's MessageList.
func messageListJSON(_ messages: [NumberedMessage], current: UInt64, time: UInt64) -> [UInt8] {
    objectJSON(reserving: messages.reduce(128) { $0 + $1.message.body.count + 64 }) { json in
        json.member("time", String(time))
        json.member("messages", arrayOf: messages) { json, entry in entry.write(to: &json) }
        json.member("current_message", current)
    }
}

extension NumberedMessage {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("id", id)
            json.member("message", utf8: message.body)
            if !isUTF8(message.body) { json.member("messageBase64", Base64.standard.encode(message.body)) }
        }
    }
}

/// The original's Error.
/// - Parameters:
///   - refresh: whether the client has missed messages.
///   - current: the last assigned id, for a client that must acknowledge the loss.
func errorResponse(
    _ status: HTTPResponse.Status, _ message: String, refresh: Bool = false, current: UInt64? = nil
) -> Response {
    .json(
        status,
        objectJSON { json in
            json.member("refresh", refresh)
            json.member("message", message)
            if let current { json.member("current_message", current) }
        })
}

func overviewJSON(_ overview: QueueOverview, time: UInt64, at now: Timestamp) -> [UInt8] {
    objectJSON { json in
        json.member("time", String(time))
        json.member("queues", arrayOf: overview.queues) { json, queue in
            json.object { json in
                json.member("name", queue.name)
                json.member("current_message", queue.log.current)
                json.member("depth", queue.log.count)
                json.member("bytes", queue.log.bytes)
                json.member("oldest_age_seconds", orNull: age(of: queue.oldest, at: now))
                json.member("newest_age_seconds", orNull: age(of: queue.newest, at: now))
                json.member("max_message_count", queue.settings.limits.messageCount)
                json.member("max_message_size", queue.settings.limits.messageBytes)
                json.member("max_queue_size", queue.settings.limits.queueBytes)
                json.member("signed", queue.settings.authentication != nil)
            }
        }
        json.member("clients", arrayOf: overview.clients) { json, client in
            json.object { json in
                json.member("name", client.name)
                json.member("queue", orNull: client.queue)
                json.member("connected", client.isConnected)
                json.member("cursor", client.cursor)
                json.member("lag", orNull: client.lag)
                json.member("lag_seconds", orNull: age(of: client.oldestUnread, at: now))
                json.member("lost", client.hasLost)
            }
        }
        json.member("next", orNull: overview.next.map { hexadecimal($0) })
    }
}

private func age(of time: Timestamp?, at now: Timestamp) -> Int? { time.map { Int(max(0, now.seconds(since: $0))) } }

/// A page ends early if its JSON has many bytes, as control characters have six each.
func peekJSON(_ peek: QueuePeek, time: UInt64) -> [UInt8] {
    objectJSON { json in
        var next = peek.next
        json.member("time", String(time))
        json.member("current_message", peek.log.current)
        json.member("first_message", peek.log.first)
        json.member("depth", peek.log.count)
        json.name("messages")
        json.beginArray()
        for (index, piece) in peek.messages.enumerated() {
            piece.write(to: &json)
            guard json.bytes.count < QueuePeek.allBytes || index == peek.messages.count - 1 else {
                next = piece.numbered.id
                break
            }
        }
        json.endArray()
        json.member("next", orNull: next)
    }
}

extension MessagePiece {
    fileprivate func write(to json: inout JSONWriter) {
        let message = numbered.message
        // What is cut within a character does not make a text binary.
        var pieces = TextPieces()
        let text = pieces.take(message.body, isLast: isWhole)
        json.object { json in
            json.member("id", numbered.id)
            json.member("received_at", message.receivedAt.iso8601())
            json.member("bytes", bodyBytes)
            json.member("message", utf8: pieces.isUTF8 ? text : message.body)
            if !pieces.isUTF8 { json.member("messageBase64", Base64.standard.encode(message.body)) }
            json.member("truncated", !isWhole)
        }
    }
}
