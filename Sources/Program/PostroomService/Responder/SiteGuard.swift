internal import Events
internal import HTTP
internal import HTTPTypes
internal import Linux
internal import Values

/// Refuses requests that web pages of other sites send through the browser of a person on this network.
///
/// A page of another site is recognized by `Origin` or `Sec-Fetch-Site`. With DNS rebinding the page's own name resolves to
/// this service, so that the browser does not treat the service as another site: such a request is recognized by a `Host`
/// that is not a name of this service. Programs other than browsers send neither `Origin` nor `Sec-Fetch-Site`; their `Host`
/// is checked in the same way.
final class SiteGuard {
    /// The hosts of ALLOWED_HOSTS, in lower case. `Host` and `Origin` may name them; a name that begins with `*.` stands for
    /// all names below it.
    private let hosts: [String]
    private let checksHosts: Bool
    /// The host and port of SERVER_URL.
    private let own: Authority?
    /// The hosts of EVENTS_ALLOWED_ORIGINS, in lower case, or `*`: their pages may send events.
    private let eventOrigins: [String]
    /// The last `Host` that was found to be a name of this service. Nearly all requests have the same one, and it is not
    /// checked again.
    private var known: (text: [UInt8], authority: Authority)?

    enum Refusal: Equatable {
        /// `Host` is not a name of this service.
        case host(String)
        /// The request comes from a page of another site.
        case site(String)
    }

    /// The part of a URL that names the server.
    struct Authority: Equatable {
        /// In lower case, without a dot at the end; an IPv6 address without its brackets.
        let host: String
        /// `nil`: no port was given, or the default port of the scheme.
        let port: Int?

        /// - Parameters:
        ///   - text: a host and an optional port, in the form of the `Host` field.
        ///   - defaultPort: the port that is stored as `nil`.
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

        /// - Parameter url: `scheme://authority…`. For any other text, such as `null`, the result is `nil`.
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

    /// The reason to refuse a request, or `nil` to accept it.
    /// - Parameter path: the path's segments below the mount point; `nil` for a request at the operations port.
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
        /// Programs that send events. They may call the service by any name, and cannot read anything.
        case senders
        /// Anybody who has the address, web pages included, because some webhooks are sent by pages. Nothing that the store
        /// keeps can be read there.
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

    /// Whether the request follows a link on another page to something that only shows data.
    private static func isVisit(_ request: Request, _ path: [String]) -> Bool {
        guard request.method == .get || request.method == .head,
            request.fields.firstValue(of: "sec-fetch-mode").map({ $0.elementsEqual("navigate".utf8) }) ?? false,
            request.fields.firstValue(of: "sec-fetch-dest").map({ $0.elementsEqual("document".utf8) }) ?? false
        else { return false }
        switch path.first {
        // A GET of these has effects: it reads messages, listens, stops listening or reloads. A GET of an endpoint collects.
        case "read", "listen", "unlisten", "reload": return false
        case "manage": return path.count != 3
        default: return true
        }
    }

    // MARK: Hosts

    /// Domains that nobody can register: RFC 6761 (localhost, test), RFC 6762 (local), RFC 8375 (home.arpa), ICANN's
    /// "internal" of 2024, and `svc`, which clusters use in the names of their services.
    private static let privateDomains = [".localhost", ".local", ".internal", ".home.arpa", ".test", ".svc"]

    /// Whether a host is accepted as a name of this service. DNS rebinding needs a name that its attacker controls: that is
    /// never an address or `localhost`, and names without a dot or in a private domain are assigned by this network alone.
    private func isOurs(_ authority: Authority) -> Bool {
        let host = authority.host
        return !checksHosts || !host.contains(".") || isNamed(host) || host == own?.host
            || Self.privateDomains.contains { host.hasSuffix($0) } || host == "localhost.localdomain"
            || IPAddress(host) != nil
    }

    /// Whether ALLOWED_HOSTS includes a host.
    private func isNamed(_ host: String) -> Bool {
        hosts.contains { $0 == host || ($0.hasPrefix("*.") && host.hasSuffix($0.dropFirst())) }
    }

    /// Whether pages of an origin may use this service: its own pages, under any accepted name of the service, and pages of
    /// the hosts that its operator allows.
    /// - Parameter host: the host and port in the request's `Host`.
    private func mayUse(_ origin: String, _ host: Authority?, _ audience: Audience) -> Bool {
        guard let authority = Authority(ofURL: origin) else { return false }
        if isNamed(authority.host) || authority == own { return true }
        if audience == .senders, eventOrigins.contains(where: { $0 == "*" || $0 == authority.host }) { return true }
        // A reverse proxy may listen on another port, and leave the port out of `Host`.
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

    /// The refusal as a sentence for the client.
    var message: String {
        switch self {
        case .host(let host):
            "Host \"\(Self.shown(host))\" is not a name of this service. The operator can add it to ALLOWED_HOSTS."
        case .site(let origin):
            "Web pages of \(Self.shown(origin)) may not use this service. The operator can add their host to ALLOWED_HOSTS."
        }
    }

    private static func shown(_ text: String) -> String {
        let plain = text.unicodeScalars.filter { $0.isASCII && $0.value >= 0x20 && $0.value != 0x7f }.prefix(100)
        return String(String.UnicodeScalarView(plain))
    }
}
