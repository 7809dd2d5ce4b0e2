internal import HTTP
package import Values

/// What the status page shows of the installation, besides the data of the store.
package struct Installation: Sendable {
    package let version: String
    package let started: Timestamp
    package let cleanupSeconds: Double
    /// The mount point and the URL as the operator wrote them.
    package let mountPoint: String
    package let serverURL: String

    package init(version: String, started: Timestamp, cleanupSeconds: Double, mountPoint: String, serverURL: String) {
        self.version = version
        self.started = started
        self.cleanupSeconds = cleanupSeconds
        self.mountPoint = mountPoint
        self.serverURL = serverURL
    }
}

/// The most endpoints that are listed: the newest ones.
let statusPageEndpoints = 1000

/// `GET /manage`, line by line as in the original, but with correct counters and a bounded list.
func statusPage(_ installation: Installation, _ limits: CaptureLimits, _ overview: Overview, at moment: Moment)
    -> String
{
    let rule = String(repeating: "-", count: 40)
    func time(_ steady: Timestamp) -> String { moment.wall(at: steady).iso8601(zone: "+00:00") }
    func counter(_ label: String, _ event: CaptureEvent, _ refused: CaptureEvent) -> String {
        let errors = overview.counters[refused]
        return "Total \(label): \(overview.counters[event] + errors) (with \(errors) errors)"
    }
    var lines = [
        "CACTUS Client Notifications Server \(installation.version) (Postroom)",
        rule,
        "SETTINGS",
        "Started: \(installation.started.iso8601(zone: "+00:00"))",
        "Max Active Endpoints: \(limits.endpoints)",
        "Max Endpoint Notifications: \(limits.notificationsPerEndpoint)",
        "Cleanup Frequency: \(installation.cleanupSeconds)s",
        "Max Endpoint Idle Time: \(limits.idleSeconds)s",
        "Max Endpoint Total Time: \(limits.lifetimeSeconds)s",
        "Mount Point: \(installation.mountPoint)",
        "Public URL: \(installation.serverURL)",
        rule,
        "STATS",
        counter("created notifications", .created, .creationRefused),
        counter("collection requests", .collected, .collectionRefused),
        counter("received notifications", .received, .receptionRefused),
        counter("configure requests", .configured, .configurationRefused),
        counter("deleted endpoints", .deleted, .deletionRefused),
        rule,
        "ENDPOINTS (\(overview.total) total)",
    ]
    if overview.newest.count < overview.total { lines.append("Only the newest \(overview.newest.count) are listed") }
    for endpoint in overview.newest {
        lines += [
            "",
            "Endpoint \(endpoint.id.description.prefix(4))...",
            "    \(endpoint.count) uncollected notifications",
            "    Enabled: \(endpoint.isEnabled ? "True" : "False")",
            "    Created: \(time(endpoint.created))",
            "    Last Touched: \(time(endpoint.lastUsed))",
        ]
    }
    lines.append(rule)
    return lines.joined(separator: "\n")
}
