/// The route that a request is counted under: its path with names in place of ids. The raw value is the route's row in the
/// counters' file: add new routes at the end.
enum Route: UInt8, CaseIterable {
    case other, health, manage, endpoints, endpoint, notifications, webhook
    case post, read, listen, unlisten, acknowledge, queues, password, reload, time
    case receive, subscriptions, subscription, deliveries, redelivery, replay, event
    case environmentWebhooks, environmentEvents, environmentSettings, rotation
    case eventTypes, outbound, outboundLogs, outboundStatistics, outboundTest, outboundRecovery, outboundRetry
    case endpointSettings, notificationBody, preview
    case queueMessages, queueMessage
    case expression, forwards

    /// The path template as OpenAPI writes it, or "other".
    var pattern: String {
        switch self {
        case .other: "other"
        case .health: "/healthz"
        case .manage: "/manage"
        case .endpoints: "/manage/endpoint"
        case .endpoint: "/manage/endpoint/{endpoint_id}"
        case .notifications: "/manage/endpoint/{endpoint_id}/notifications"
        case .endpointSettings: "/manage/endpoint/{endpoint_id}/settings"
        case .preview: "/manage/endpoint/{endpoint_id}/preview"
        case .notificationBody: "/manage/endpoint/{endpoint_id}/notifications/{id}/body"
        case .forwards: "/manage/endpoint/{endpoint_id}/forwards"
        case .webhook: "/webhook/{endpoint_id}"
        case .post: "/q/{queue}"
        case .read: "/read/{client}"
        case .listen: "/listen/{client}/{queue}"
        case .unlisten: "/unlisten/{client}"
        case .acknowledge: "/ack/{client}/{id}"
        case .queues: "/queues"
        case .queueMessages: "/queues/{queue}/messages"
        case .queueMessage: "/queues/{queue}/messages/{id}"
        case .password: "/setPassword"
        case .reload: "/reload"
        case .time: "/time"
        case .receive: "/receive"
        case .subscriptions: "/eventmatch"
        case .subscription: "/eventmatch/{uuid}"
        case .deliveries: "/eventmatch/{uuid}/deliveries"
        case .redelivery: "/eventmatch/{uuid}/deliveries/{id}/retry"
        case .replay: "/eventmatch/{uuid}/replay"
        case .event: "/events/{uuid}"
        case .expression: "/jsonpath"
        case .environmentWebhooks: "/environments/{environment_id}/webhooks"
        case .environmentEvents: "/environments/{environment_id}/events"
        case .environmentSettings: "/environments/{environment_id}/settings"
        case .rotation: "/environments/{environment_id}/settings/rotate"
        case .eventTypes: "/webhooks/events"
        case .outbound: "/webhooks/{webhook_id}"
        case .outboundLogs: "/webhooks/{webhook_id}/logs"
        case .outboundStatistics: "/webhooks/{webhook_id}/stats"
        case .outboundTest: "/webhooks/{webhook_id}/test"
        case .outboundRecovery: "/webhooks/{webhook_id}/recover"
        case .outboundRetry: "/webhooks/{webhook_id}/logs/{log_id}/retry"
        }
    }

    /// - Parameter segments: the path's segments below the mount point; `nil` for a path outside it.
    init(_ segments: [String]?) {
        guard let segments, let first = segments.first else {
            self = .other
            return
        }
        self = Self.find(first, segments[...])
    }

    private static func find(_ first: String, _ path: ArraySlice<String>) -> Route {
        // A slash at the end makes an empty last segment, and has no effect.
        let count = path.last == "" ? path.count - 1 : path.count
        switch first {
        case "webhook" where path.count > 1: return .webhook
        case "q": return .post
        case "read": return .read
        case "receive": return .receive
        case "manage": return managing(path, count)
        case "listen": return .listen
        case "unlisten": return .unlisten
        case "ack": return .acknowledge
        case "queues":
            guard count > 2, path[path.startIndex + 2] == "messages" else { return .queues }
            return count == 3 ? .queueMessages : .queueMessage
        case "setPassword": return .password
        case "reload": return .reload
        case "time": return .time
        case "healthz": return .health
        case "eventmatch": return subscribing(path, count)
        case "events" where count == 2: return .event
        case "jsonpath" where count == 1: return .expression
        case "api" where count > 1:
            let inner = path.dropFirst()
            guard let name = inner.first, name == "environments" || name == "webhooks" else { return .other }
            return find(name, inner)
        case "environments": return inEnvironment(Array(path), count)
        case "webhooks": return outbound(Array(path), count)
        default: return .other
        }
    }

    private static func managing(_ path: ArraySlice<String>, _ count: Int) -> Route {
        if count == 1 { return .manage }
        guard path[path.startIndex + 1] == "endpoint" else { return .other }
        switch count {
        case 2: return .endpoints
        case 3: return .endpoint
        case 4 where path[path.startIndex + 3] == "notifications": return .notifications
        case 4 where path[path.startIndex + 3] == "settings": return .endpointSettings
        case 4 where path[path.startIndex + 3] == "preview": return .preview
        case 4 where path[path.startIndex + 3] == "forwards": return .forwards
        case 6 where path[path.startIndex + 3] == "notifications" && path[path.startIndex + 5] == "body":
            return .notificationBody
        default: return .other
        }
    }

    private static func subscribing(_ path: ArraySlice<String>, _ count: Int) -> Route {
        switch count {
        case 1: return .subscriptions
        case 2: return .subscription
        case 3 where path[path.startIndex + 2] == "deliveries": return .deliveries
        case 3 where path[path.startIndex + 2] == "replay": return .replay
        case 5 where path[path.startIndex + 2] == "deliveries": return .redelivery
        default: return .other
        }
    }

    private static func inEnvironment(_ path: [String], _ count: Int) -> Route {
        switch count {
        case 3 where path[2] == "webhooks": return .environmentWebhooks
        case 3 where path[2] == "events": return .environmentEvents
        case 3 where path[2] == "settings": return .environmentSettings
        case 4 where path[2] == "settings" && path[3] == "rotate": return .rotation
        default: return .other
        }
    }

    private static func outbound(_ path: [String], _ count: Int) -> Route {
        switch count {
        case 2: return path[1] == "events" ? .eventTypes : .outbound
        case 3 where path[2] == "logs": return .outboundLogs
        case 3 where path[2] == "stats": return .outboundStatistics
        case 3 where path[2] == "test": return .outboundTest
        case 3 where path[2] == "recover": return .outboundRecovery
        case 5 where path[2] == "logs" && path[4] == "retry": return .outboundRetry
        default: return .other
        }
    }
}
