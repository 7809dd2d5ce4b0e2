package import Curl
package import HTTP
internal import Linux
package import Logging
package import SystemPackage
package import Values

/// Looks up environments and host names without blocking, and caches the results.
///
/// For one thread. A lookup is pending until a later call of `work` has its result; requests can wait for that.
package final class Lookups {
    private enum Subject: Hashable {
        case environment(UUID)
        case name(String)
    }

    private let multi: Multi
    private let projects: ProjectManagement?
    private let logger: Logger
    private var environments = LookupCache(ProjectManagement.rules)
    private var names = LookupCache(NameLookup.rules)
    /// The pending lookups, by the token of their request.
    private var pending: [UInt64: Subject] = [:]
    private var nameLookups: [String: NameLookup] = [:]
    /// The requests that wait for a result.
    private var waiting: [Subject: [Wakeup]] = [:]
    private var nextToken: UInt64 = 1
    /// Whether the last lookup of an environment was not answered.
    private var isUnanswered = false

    /// - Parameter projects: where environments are looked up; `nil`: any exists.
    package init(projects: ProjectManagement?, logger: Logger) throws(CurlError) {
        multi = try Multi(connectionsPerHost: 16, idleSeconds: 30, dnsSeconds: 5, keptConnections: 16)
        self.projects = projects
        self.logger = logger
    }

    private var now: Timestamp { Timestamp(microseconds: SystemClock.bootTimeMicroseconds()) }

    /// Whether an environment exists; `nil` while that is pending.
    package func environment(_ id: UUID) -> LookupResult<Bool>? {
        guard let projects else { return .found(true) }
        let (result, begins) = environments.find(id, at: now)
        guard begins else { return result }
        begin(.environment(id), projects.request(id))
        // It may have failed at once.
        return environments.find(id, at: now).result
    }

    /// The addresses of a host name, possibly none; `nil` while they are pending.
    /// - Parameter host: in the form of `TargetURL`.
    package func addresses(of host: String) -> LookupResult<[IPAddress]>? {
        let (result, begins) = names.find(host, at: now)
        guard begins else { return result }
        let lookup = NameLookup()
        nameLookups[host] = lookup
        begin(.name(host), lookup.request(host))
        return names.find(host, at: now).result
    }

    /// Whether an environment exists, once that is known.
    package func environment(_ id: UUID, _ context: any RequestContext) async -> LookupResult<Bool> {
        while true {
            if let result = environment(id) { return result }
            guard await wait(for: .environment(id), context) else { return .tooMany }
        }
    }

    /// The addresses of a name, once they are known.
    package func addresses(of host: String, _ context: any RequestContext) async -> LookupResult<[IPAddress]> {
        while true {
            if let result = addresses(of: host) { return result }
            guard await wait(for: .name(host), context) else { return .tooMany }
        }
    }

    private func wait(for subject: Subject, _ context: any RequestContext) async -> Bool {
        await context.outside { waiting[subject, default: []].append($0) }
    }

    private func begin(_ subject: Subject, _ request: Outgoing) {
        let token = nextToken
        nextToken += 1
        do throws(CurlError) {
            try multi.start(request, token: token)
            pending[token] = subject
        } catch {
            finish(subject, nil, "\(error)")
        }
    }

    private func finish(_ subject: Subject, _ exchange: Exchange?, _ failure: String) {
        switch subject {
        case .name(let host):
            names.finish(host, nameLookups.removeValue(forKey: host)?.addresses ?? [], at: now)
        case .environment(let id):
            let exists = exchange.flatMap(ProjectManagement.exists)
            environments.finish(id, exists, at: now)
            report(isUnanswered: exists == nil, failure)
        }
        for wakeup in waiting.removeValue(forKey: subject) ?? [] { wakeup.wake() }
    }

    /// Logs that the project-management service does not answer, or answers again: once for each change.
    private func report(isUnanswered: Bool, _ reason: String) {
        guard isUnanswered != self.isUnanswered else { return }
        self.isUnanswered = isUnanswered
        if isUnanswered {
            logger.warning(
                "the project-management service does not answer; its environments cannot be checked",
                metadata: ["reason": "\(reason)"])
        } else {
            logger.info("the project-management service answers again")
        }
    }

    // MARK: Event loop

    /// Becomes readable when `work` has something to do.
    package var descriptor: FileDescriptor { multi.descriptor }

    /// When `work` has something to do even if `descriptor` is not readable, on the clock of
    /// `SystemClock.bootTimeMicroseconds`.
    package var dueMicroseconds: Int64? { multi.dueMicroseconds }

    /// Does what can be done without waiting.
    /// - Returns: whether a lookup has ended.
    package func work() -> Bool {
        do throws(CurlError) {
            let finished = try multi.wait(milliseconds: 0)
            for (token, exchange) in finished {
                guard let subject = pending.removeValue(forKey: token) else { continue }
                finish(subject, exchange, exchange.outcome.failureText)
            }
            return !finished.isEmpty
        } catch {
            // The supervisor replaces this process.
            logger.critical("libcurl failed; this process ends and is replaced", metadata: ["reason": "\(error)"])
            Signal.raise(Signal.terminate)
            let lost = pending.values
            pending = [:]
            for subject in lost { finish(subject, nil, "\(error)") }
            return true
        }
    }
}

extension Exchange.Outcome {
    /// Why a lookup was not answered.
    fileprivate var failureText: String {
        switch self {
        case .response(let status, _, _, _): "it answered with status \(status)"
        case .failure(_, let text): text
        }
    }
}
