package import Curl
package import HTTP
internal import Linux
package import Logging
package import SystemPackage
package import Values
package import Webhooks

/// Asks others what only they know, without waiting for them, and remembers what they said for a while.
///
/// For one thread. What is not known yet is `pending`, and comes with a later `work`; requests can wait for it.
package final class Lookups {
    private enum Question: Hashable {
        case environment(UUID)
        case name(String)
    }

    private let multi: Multi
    private let projects: ProjectManagement?
    private let logger: Logger
    private var environments = AnswerCache(ProjectManagement.rules)
    private var names = AnswerCache(NameLookup.rules)
    private var running: [UInt64: Question] = [:]
    /// The names that are being looked up.
    private var nameLookups: [String: NameLookup] = [:]
    /// The requests that wait for a reply.
    private var waiting: [Question: [Wakeup]] = [:]
    private var nextToken: UInt64 = 1
    /// Whether the last question about an environment was not answered.
    private var isUnanswered = false

    /// - Parameter projects: whom to ask for environments; `nil`: any is one.
    package init(projects: ProjectManagement?, logger: Logger) throws(CurlError) {
        multi = try Multi(connectionsPerHost: 16, idleSeconds: 30, dnsSeconds: 5, keptConnections: 16)
        self.projects = projects
        self.logger = logger
    }

    private var now: Timestamp { Timestamp(microseconds: SystemClock.bootTimeMicroseconds()) }

    /// Whether there is an environment.
    package func environment(_ id: UUID) -> EnvironmentAnswer {
        guard let projects else { return .yes }
        var (finding, isToAsk) = environments.find(id, at: now)
        if isToAsk {
            ask(projects.question(id), .environment(id))
            // It may have failed at once.
            (finding, _) = environments.find(id, at: now)
        }
        switch finding {
        case .reply(let exists): return exists ? .yes : .no
        case .pending: return .pending
        case .unanswered: return .unknown
        case .refused: return .tooMany
        }
    }

    package enum Addresses {
        case known([IPAddress])
        case pending
        /// Too many names are looked up already.
        case tooMany
    }

    /// Where a name leads.
    /// - Parameter host: as `TargetURL` has it.
    package func addresses(of host: String) -> Addresses {
        var (finding, isToAsk) = names.find(host, at: now)
        if isToAsk {
            let lookup = NameLookup()
            nameLookups[host] = lookup
            ask(lookup.question(host), .name(host))
            (finding, _) = names.find(host, at: now)
        }
        switch finding {
        case .reply(let addresses): return .known(addresses)
        case .pending: return .pending
        case .unanswered, .refused: return .tooMany
        }
    }

    /// Whether there is an environment, once that is known.
    /// - Returns: never `pending`.
    package func environment(_ id: UUID, _ context: any RequestContext) async -> EnvironmentAnswer {
        while true {
            let answer = environment(id)
            guard answer == .pending else { return answer }
            guard await wait(for: .environment(id), context) else { return .tooMany }
        }
    }

    /// Where a name leads, once that is known.
    /// - Returns: never `pending`.
    package func addresses(of host: String, _ context: any RequestContext) async -> Addresses {
        while true {
            let answer = addresses(of: host)
            guard case .pending = answer else { return answer }
            guard await wait(for: .name(host), context) else { return .tooMany }
        }
    }

    private func wait(for question: Question, _ context: any RequestContext) async -> Bool {
        await context.outside { waiting[question, default: []].append($0) }
    }

    private func ask(_ request: Outgoing, _ question: Question) {
        let token = nextToken
        nextToken += 1
        do throws(CurlError) {
            try multi.start(request, token: token)
            running[token] = question
        } catch {
            settle(question, nil, "\(error)")
        }
    }

    private func settle(_ question: Question, _ exchange: Exchange?, _ failure: String) {
        switch question {
        case .name(let host):
            names.settle(host, nameLookups.removeValue(forKey: host)?.addresses ?? [], at: now)
        case .environment(let id):
            let reply = exchange.flatMap(ProjectManagement.reply)
            environments.settle(id, reply, at: now)
            report(isUnanswered: reply == nil, failure)
        }
        for wakeup in waiting.removeValue(forKey: question) ?? [] { wakeup.wake() }
    }

    /// Once for each time that it begins or ends.
    private func report(isUnanswered: Bool, _ reason: String) {
        guard isUnanswered != self.isUnanswered else { return }
        self.isUnanswered = isUnanswered
        if isUnanswered {
            logger.warning("the project management does not answer", metadata: ["reason": "\(reason)"])
        } else {
            logger.info("the project management answers again")
        }
    }

    // MARK: Going on

    /// Can be read when `work` has something to do.
    package var descriptor: FileDescriptor { multi.descriptor }

    /// When it has something to do all the same, by `SystemClock.bootTimeMicroseconds`.
    package var dueMicroseconds: Int64? { multi.dueMicroseconds }

    /// Does what can be done at once.
    /// - Returns: whether something has become known, or known not to be told.
    package func work() -> Bool {
        do throws(CurlError) {
            let finished = try multi.wait(milliseconds: 0)
            for (token, exchange) in finished {
                guard let question = running.removeValue(forKey: token) else { continue }
                settle(question, exchange, exchange.outcome.failureText)
            }
            return !finished.isEmpty
        } catch {
            // Whoever started this process starts another.
            logger.critical("libcurl is lost to this process, which ends", metadata: ["reason": "\(error)"])
            Signal.raise(Signal.terminate)
            let lost = running.values
            running = [:]
            for question in lost { settle(question, nil, "\(error)") }
            return true
        }
    }
}

extension Exchange.Outcome {
    /// Why there was no answer to make anything of.
    fileprivate var failureText: String {
        switch self {
        case .response(let status, _, _, _): "it answered \(status)"
        case .failure(_, let text): text
        }
    }
}
