internal import Curl
internal import HTTP
internal import Values

/// The service that knows which environments exist.
package struct ProjectManagement: Sendable {
    private let url: String
    private let userAgent: String
    private let timeoutSeconds: Double

    /// - Parameter url: without query and fragment; slashes at its end are ignored.
    package init(url: String, userAgent: String, timeoutSeconds: Double = 3) {
        self.url = String(url.reversed().drop { $0 == "/" }.reversed())
        self.userAgent = userAgent
        self.timeoutSeconds = timeoutSeconds
    }

    /// The request that asks whether an environment exists. The operator has chosen the service, so any address may be
    /// called.
    func request(_ environment: UUID) -> Outgoing {
        let milliseconds = Int(timeoutSeconds * 1000)
        return Outgoing(
            method: "GET", url: "\(url)/environments/\(environment)",
            headers: [("Accept", "application/json"), ("User-Agent", userAgent)],
            timeoutMilliseconds: milliseconds, connectTimeoutMilliseconds: milliseconds, keptBytes: 0
        ) { _ in true }
    }

    /// Whether the environment exists; `nil` if the service did not answer, or its status does not say so.
    static func exists(_ exchange: Exchange) -> Bool? {
        guard case .response(let status, _, _, _) = exchange.outcome else { return nil }
        switch status {
        case 200..<300: return true
        case 404, 410: return false
        default: return nil
        }
    }

    /// Environments are created more often than they are deleted, so a negative result is looked up again sooner (after 5 s)
    /// than a positive one (after 30 s).
    static let rules = LookupCache<UUID, Bool>.Rules(
        freshSeconds: { $0 ? 30 : 5 }, staleIfErrorSeconds: { $0 ? 300 : 0 }, pendingLimit: 1000)
}
