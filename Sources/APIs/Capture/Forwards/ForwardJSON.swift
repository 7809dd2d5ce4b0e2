internal import Delivery
internal import JSON
internal import Values

extension Forward {
    func write(to json: inout JSONWriter, at moment: Moment) {
        json.object { json in
            json.member("id", number)
            json.member("notification", notification)
            json.member("url", url)
            json.member("standing", isStanding)
            json.member("state", state.rawValue)
            json.member("created", created.iso8601())
            json.member("attempts", attempts)
            json.member("nextAttempt", orNull: nextAttempt.map { moment.wall(at: $0).iso8601() })
            json.member("at", orNull: last?.at.iso8601())
            json.member("status", orNull: last?.status)
            json.member("error", orNull: last?.failure?.kind.word)
            json.member("reason", orNull: last?.failure?.text)
            json.member("milliseconds", orNull: last.map(\.milliseconds))
            json.member("response", orNull: last.map(\.response))
        }
    }
}

/// `{"forwards": [...]}`, and the backlog of the endpoint if it is to be shown.
func forwardsJSON(_ forwards: [Forward], _ forwarding: Forwarding?, _ limits: CaptureLimits, at moment: Moment)
    -> [UInt8]
{
    objectJSON { json in
        json.member("forwards", arrayOf: forwards) { json, forward in forward.write(to: &json, at: moment) }
        guard let forwarding else { return }
        json.member("backlog") { json in
            json.member("pending", forwarding.pending)
            json.member("bytes", forwarding.bytes)
            json.member("missed", forwarding.missed)
            json.member("limits") { json in
                json.member("pending", limits.pendingForwards)
                json.member("bytes", max(0, limits.bytesPerEndpoint))
            }
        }
    }
}
