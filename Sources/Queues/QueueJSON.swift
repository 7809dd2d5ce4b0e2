internal import ContentDecoding
internal import Cryptography
internal import Gateway
internal import HTTPTypes
internal import JSON

/// The original's MessageList.
func messageListJSON(_ messages: [NumberedMessage], current: UInt64, time: UInt64) -> [UInt8] {
    var json = JSONWriter(reserving: messages.reduce(128) { $0 + $1.message.body.count + 64 })
    json.beginObject()
    json.name("time")
    json.string(String(time))
    json.name("messages")
    json.beginArray()
    for entry in messages {
        json.beginObject()
        json.name("id")
        json.integer(entry.id)
        json.name("message")
        json.string(utf8: entry.message.body)
        if !isUTF8(entry.message.body) {
            json.name("messageBase64")
            json.string(Base64.standard.encode(entry.message.body))
        }
        json.endObject()
    }
    json.endArray()
    json.name("current_message")
    json.integer(current)
    json.endObject()
    return json.bytes
}

/// The original's Error.
/// - Parameters:
///   - refresh: whether the client has missed messages.
///   - current: the id given out last, for a client that has to acknowledge the loss.
func errorResponse(
    _ status: HTTPResponse.Status, _ message: String, refresh: Bool = false, current: UInt64? = nil
) -> Response {
    var json = JSONWriter()
    json.beginObject()
    json.name("refresh")
    json.bool(refresh)
    json.name("message")
    json.string(message)
    if let current {
        json.name("current_message")
        json.integer(current)
    }
    json.endObject()
    return .json(status, json.bytes)
}

func overviewJSON(_ overview: QueueOverview, time: UInt64, at now: Timestamp) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.name("time")
    json.string(String(time))
    json.name("queues")
    json.beginArray()
    for queue in overview.queues {
        json.beginObject()
        json.name("name")
        json.string(queue.name)
        json.name("current_message")
        json.integer(queue.log.current)
        json.name("depth")
        json.integer(queue.log.count)
        json.name("bytes")
        json.integer(queue.log.bytes)
        json.name("oldest_age_seconds")
        if let oldest = queue.oldest { json.integer(Int(max(0, now.seconds(since: oldest)))) } else { json.null() }
        json.endObject()
    }
    json.endArray()
    json.name("clients")
    json.beginArray()
    for client in overview.clients {
        json.beginObject()
        json.name("name")
        json.string(client.name)
        json.name("queue")
        if let queue = client.queue { json.string(queue) } else { json.null() }
        json.name("connected")
        json.bool(client.isConnected)
        json.name("cursor")
        json.integer(client.cursor)
        json.name("lag")
        if let lag = client.lag { json.integer(lag) } else { json.null() }
        json.endObject()
    }
    json.endArray()
    json.name("next")
    if let next = overview.next { json.string(hexadecimal(next)) } else { json.null() }
    json.endObject()
    return json.bytes
}
