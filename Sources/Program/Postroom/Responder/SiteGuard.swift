internal import Events
internal import HTTP
internal import HTTPTypes
internal import Linux
internal import Values

/// Keeps web pages of other sites, which a person on this network may have open, from using this service through that
/// person's browser.
///
/// A page of another site shows itself by `Origin` or `Sec-Fetch-Site`. A page whose name leads to this service (DNS
/// rebinding) is no other site to the browser: it shows itself by a `Host` that this service does not have. What neither a
/// browser nor a page has anything to do with has none of the three headers and is not concerned.
final class SiteGuard {
    /// Hosts that may be named in `Host` beside addresses, loopback names and names without a dot; a name that begins with
    /// `*.` stands for all names below it.
    private let hosts: [String]
    private let checksHosts: Bool
    /// The host and port of SERVER_URL.
    private let own: Authority?
    /// Hosts whose pages may send events, after asking for it.
    private let eventOrigins: [String]
    /// The `Host` that was found to be ours last: nearly all requests have the same.
    private var known: (text: [UInt8], authority: Authority)?

    enum Refusal: Equatable {
        /// `Host` names another service.
        case host(String)
        /// The request comes from a page of another site.
        case site(String)
    }

    /// The part of a URL that names the server.
    struct Authority: Equatable {
        /// In lower case, without a dot at the end; an IPv6 address without its brackets.
        let host: String
        /// `nil`: the one that the scheme has by default.
        let port: Int?

        /// - Parameters:
        ///   - text: a host and perhaps a port, as `Host` has them.
        ///   - defaultPort: a port that counts as none.
        init?(_ text: some StringProtocol, defaultPort: Int? = nil) {
            let text = text.lowercased()
            var rest = text[...]
            var host: Substring
            if rest.first == "[" {
                guard let end = rest.firstIndex(of: "]") else { return nil }
                host = rest[rest.index(after: rest.startIndex)..<end]
                rest = rest[rest.index(after: end)...]
            } else {
                host = rest.prefix { $0 != ":" }
                rest = rest[host.endIndex...]
            }
            if rest.isEmpty || rest == ":" {
                port = nil
            } else {
                guard rest.first == ":", let number = UInt16(rest.dropFirst()) else { return nil }
                port = Int(number) == defaultPort ? nil : Int(number)
            }
            if host.last == "." { host.removeLast() }
            guard !host.isEmpty else { return nil }
            self.host = String(host)
        }

        /// - Parameter url: `scheme://authority…`; `nil` is returned for all else, `null` among it.
        init?(ofURL url: some StringProtocol) {
            let url = String(url)
            guard let slashes = url.firstRange(of: "://") else { return nil }
            let authority = url[slashes.upperBound...].prefix { !"/?#".contains($0) }
            let host = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
            let ports = ["http": 80, "https": 443]
            self.init(host, defaultPort: ports[url[..<slashes.lowerBound].lowercased()])
        }
    }

    init(_ settings: Settings) {
        hosts = settings.allowedHosts.map { $0.lowercased() }
        checksHosts = !hosts.contains("*")
        own = Authority(ofURL: settings.serverURL)
        eventOrigins = settings.events.allowedOrigins.map { $0.lowercased() }
    }

    /// Why a request is refused; `nil` where it is not.
    /// - Parameter path: the segments below the mount point; `nil`: it is one of the operations port.
    func refusal(of request: Request, path: [String]?) -> Refusal? {
        let audience = path.map(Audience.init) ?? .management
        guard audience != .anybody else { return nil }
        var host: Authority?
        var origin: String?
        var site: String?
        let fields = request.fields
        for index in 0..<fields.count {
            if fields.hasName("host", at: index) {
                let text = fields.value(at: index)
                if text.isEmpty { continue }
                if let known, known.text.elementsEqual(text) {
                    host = known.authority
                    continue
                }
                host = Authority(String(decoding: text, as: UTF8.self))
                if let host, isOurs(host) {
                    known = (Array(text), host)
                } else if audience == .management {
                    return .host(String(decoding: text, as: UTF8.self))
                }
            } else if fields.hasName("origin", at: index) {
                origin = String(decoding: fields.value(at: index), as: UTF8.self)
            } else if fields.hasName("sec-fetch-site", at: index) {
                site = String(decoding: fields.value(at: index), as: UTF8.self)
            }
        }
        if let origin { return mayUse(origin, host, audience) ? nil : .site(origin) }
        guard site == "cross-site", !Self.isVisit(request, path ?? []) else { return nil }
        return .site("another site")
    }

    // MARK: Paths

    /// Who calls a path.
    private enum Audience {
        /// People who look after the service, and their programs.
        case management
        /// Programs that send events. They may know the service by any name, and read nothing.
        case senders
        /// Whoever has the address: pages too, which some webhooks come from. Nothing can be read.
        case anybody

        init(_ path: [String]) {
            switch path.first {
            case "webhook", "q", "healthz", "time": self = .anybody
            case "receive": self = .senders
            default:
                let path = path.first == "api" ? path.dropFirst() : path[...]
                self = path.count == 3 && path.first == "environments" && path.last == "events" ? .senders : .management
            }
        }
    }

    /// Whether a link on another page was followed, to something that only shows.
    private static func isVisit(_ request: Request, _ path: [String]) -> Bool {
        guard request.method == .get || request.method == .head,
            request.fields.firstValue(of: "sec-fetch-mode").map({ $0.elementsEqual("navigate".utf8) }) ?? false,
            request.fields.firstValue(of: "sec-fetch-dest").map({ $0.elementsEqual("document".utf8) }) ?? false
        else { return false }
        switch path.first {
        // These read, listen, forget and reload by GET too, and a GET of an endpoint collects.
        case "read", "listen", "unlisten", "reload": return false
        case "manage": return path.count != 3
        default: return true
        }
    }

    // MARK: Hosts

    /// Domains that nobody can register: RFC 6761 (test), RFC 6762 (local), RFC 8375 (home.arpa), ICANN's "internal" of 2024,
    /// and what clusters call their services.
    private static let privateDomains = [".localhost", ".local", ".internal", ".home.arpa", ".test", ".svc"]

    /// Whether this service may be called so. No page has an address or `localhost` for its name, whatever that leads to; and
    /// a name without a dot, or in a private domain, is given out by this network alone.
    private func isOurs(_ authority: Authority) -> Bool {
        let host = authority.host
        return !checksHosts || !host.contains(".") || isNamed(host) || host == own?.host
            || Self.privateDomains.contains { host.hasSuffix($0) } || host == "localhost.localdomain"
            || IPAddress(host) != nil
    }

    /// Whether ALLOWED_HOSTS has it.
    private func isNamed(_ host: String) -> Bool {
        hosts.contains { $0 == host || ($0.hasPrefix("*.") && host.hasSuffix($0.dropFirst())) }
    }

    /// Whether pages of an origin may use this service: its own, by whatever name it was called, and those that its operator
    /// names.
    /// - Parameter host: what the request called this service.
    private func mayUse(_ origin: String, _ host: Authority?, _ audience: Audience) -> Bool {
        guard let authority = Authority(ofURL: origin) else { return false }
        if isNamed(authority.host) || authority == own { return true }
        if audience == .senders, eventOrigins.contains(where: { $0 == "*" || $0 == authority.host }) { return true }
        // A server in front may have a port of its own, and leave it out.
        guard let host, host.host == authority.host, host.port == authority.port || host.port == nil else {
            return false
        }
        return isOurs(authority)
    }
}

extension SiteGuard.Refusal {
    var status: HTTPResponse.Status {
        switch self {
        case .host: .misdirectedRequest
        case .site: .forbidden
        }
    }

    /// A sentence for whoever sent the request.
    var message: String {
        switch self {
        case .host(let host):
            "Host \"\(Self.shown(host))\" is not a name of this service. ALLOWED_HOSTS takes the names that it has."
        case .site(let origin):
            "The request comes from a web page of \(Self.shown(origin)). ALLOWED_HOSTS takes the hosts whose pages may use this service."
        }
    }

    private static func shown(_ text: String) -> String {
        let plain = text.unicodeScalars.filter { $0.isASCII && $0.value >= 0x20 && $0.value != 0x7f }.prefix(100)
        return String(String.UnicodeScalarView(plain))
    }
}
