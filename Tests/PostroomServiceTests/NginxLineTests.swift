import Logging
import Testing

@testable import PostroomService

@Suite struct NginxLineTests {
    @Test(
        arguments: [
            ("2026/11/28 22:40:00 [crit] 12#12: *3 it failed: [x]", .critical, 12, "*3 it failed: [x]"),
            ("2026/11/28 22:40:00 [info] 7#9: signal", .info, 7, "signal"),
            ("2026/11/28 22:40:00 [warn] 7#9: ", .warning, 7, ""),
            ("nginx: [emerg] unknown directive", .critical, nil, "unknown directive"),
            ("nginx: [alert] no process", .critical, nil, "no process"),
            ("Error: cannot start /usr/sbin/nginx", .error, nil, "Error: cannot start /usr/sbin/nginx"),
            ("a request [info] said 1#1: so", .error, nil, "a request [info] said 1#1: so"), ("", .error, nil, ""),
            ("2026/11/28 22:40:00 [odd] 7#9: x", .error, nil, "2026/11/28 22:40:00 [odd] 7#9: x"),
        ] as [(String, Logger.Level, Int?, String)])
    func `a line of nginx is split into its parts, and any other line stays whole`(
        line: String, level: Logger.Level, process: Int?, message: String
    ) {
        let found = NginxLine(line)
        #expect(found.level == level && found.process == process && found.message == message)
    }
}

@Suite struct RouteTests {
    @Test(
        arguments: [
            ("webhook/x/any/thing", .webhook), ("webhook", .other), ("manage", .manage),
            ("manage/endpoint", .endpoints),
            ("manage/endpoint/x", .endpoint), ("manage/endpoint/x/notifications", .notifications),
            ("manage/other", .other), ("q/a/", .post), ("listen/a/b", .listen), ("eventmatch", .subscriptions),
            ("eventmatch/x/deliveries/1/retry", .redelivery), ("eventmatch/x/else", .other), ("events/x", .event),
            ("environments/x/settings/rotate", .rotation), ("api/environments/x/events", .environmentEvents),
            ("api/webhooks/events", .eventTypes), ("webhooks/x/logs/1/retry", .outboundRetry), ("webhooks", .other),
            ("api", .other), ("api/manage", .other), ("", .other), ("healthz", .health), ("environments", .other),
            ("jsonpath", .expression), ("jsonpath/", .expression), ("jsonpath/x", .other),
        ] as [(String, Route)])
    func `each path has its route`(path: String, route: Route) {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        #expect(Route(segments) == route)
        #expect(Route(nil) == .other)
    }

    @Test func `each route has its own pattern`() {
        #expect(Set(Route.allCases.map(\.pattern)).count == Route.allCases.count)
        #expect(Route.allCases.enumerated().allSatisfy { $0.offset == Int($0.element.rawValue) })
    }
}
