import HTTP
import Testing
import Values

@testable import Capture

@Suite struct StatusPageTests {
    private static let installation = Installation(
        version: "1.2", started: Timestamp(microseconds: 0), cleanupSeconds: 120, mountPoint: "/api",
        serverURL: "http://x")

    private func page(_ overview: Overview) -> [String] {
        let moment = Moment(wall: Timestamp(microseconds: 9_000_000), steady: Timestamp(microseconds: 5_000_000))
        return statusPage(Self.installation, CaptureLimits(), overview, at: moment).components("\n")
    }

    @Test func `the page equals the original's, line by line`() throws {
        var counters = CaptureCounters()
        counters[.received] = 5
        counters[.receptionRefused] = 2
        let id = try #require(Endpoint.ID("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"))
        let endpoint = Endpoint(
            id: id, number: 1, isEnabled: false, created: Timestamp(microseconds: 1_000_000),
            lastUsed: Timestamp(microseconds: 2_000_000), uncollected: 3, next: 7)
        let rule = String(repeating: "-", count: 40)
        #expect(
            page(Overview(counters: counters, total: 1, newest: [endpoint])) == [
                "CACTUS Client Notifications Server 1.2 (Postroom)", rule, "SETTINGS",
                "Started: 1970-01-01T00:00:00+00:00",
                "Max Active Endpoints: 1024", "Max Endpoint Notifications: 100", "Cleanup Frequency: 120.0s",
                "Max Endpoint Idle Time: 3600.0s", "Max Endpoint Total Time: 262800.0s", "Mount Point: /api",
                "Public URL: http://x", rule, "STATS", "Total created notifications: 0 (with 0 errors)",
                "Total collection requests: 0 (with 0 errors)", "Total received notifications: 7 (with 2 errors)",
                "Total configure requests: 0 (with 0 errors)", "Total deleted endpoints: 0 (with 0 errors)", rule,
                "ENDPOINTS (1 total)", "", "Endpoint ABCD...", "    4 uncollected notifications", "    Enabled: False",
                "    Created: 1970-01-01T00:00:05+00:00", "    Last Touched: 1970-01-01T00:00:06+00:00", rule,
            ])
    }

    @Test func `a shortened list says so`() {
        let lines = page(Overview(counters: CaptureCounters(), total: 2000, newest: []))
        #expect(lines.contains("ENDPOINTS (2000 total)") && lines.contains("Only the newest 0 are listed"))
    }
}

extension String {
    fileprivate func components(_ separator: Character) -> [String] {
        split(separator: separator, omittingEmptySubsequences: false).map(String.init)
    }
}
