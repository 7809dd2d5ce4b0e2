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
                json.member("oldest_age_seconds", orNull: queue.oldest.map { Int(max(0, now.seconds(since: $0))) })
            }
        }
        json.member("clients", arrayOf: overview.clients) { json, client in
            json.object { json in
                json.member("name", client.name)
                json.member("queue", orNull: client.queue)
                json.member("connected", client.isConnected)
                json.member("cursor", client.cursor)
                json.member("lag", orNull: client.lag)
            }
        }
        json.member("next", orNull: overview.next.map { hexadecimal($0) })
    }
}
