internal import Events
internal import Linux
internal import Logging
package import SystemPackage

/// Writes nginx's configuration from templates and the settings. Limits that nginx and the responders' loop must agree on
/// are computed here alone.
package struct NginxFiles {
    package let settings: Settings
    /// The directory of the templates. Beside it are the directories `api`, with the description of the API, and `page`, with
    /// the inspector and the overview.
    let templates: FilePath
    /// How many descriptors one nginx process may open.
    package var descriptorLimit: Int
    /// Whether nginx reads `upstream.conf` too, which defines the zones that the limits in `shares` need.
    package var hasZones = true

    package init(settings: Settings, templates: FilePath, descriptorLimit: Int = .max) {
        self.settings = settings
        self.templates = templates
        self.descriptorLimit = descriptorLimit
    }

    /// The descriptors that nginx needs for MAX_CONNECTIONS: one for the client and one for the responder of each
    /// connection, and 64 more.
    package static func descriptors(_ settings: Settings) -> Int { 2 * settings.maximumConnections + 64 }

    /// How many connections nginx can have: MAX_CONNECTIONS, or fewer where `descriptorLimit` is too low.
    package var connections: Int { min(settings.maximumConnections, (descriptorLimit - 64) / 2) }

    /// How many requests of clients may be in progress at a time. Each takes two connections of an nginx process, and some
    /// connections are left for `postroom health` and for operators.
    var sharedRequests: Int { max(16, connections / 2 - max(8, connections / 32)) }

    /// How many requests of one address may be in progress at a time.
    var requestsPerAddress: Int { sharedRequests * 3 / 4 }

    /// How many requests may wait for news at one responder. The limit leaves connections of nginx for other requests.
    package var parkedPerResponder: Int { max(4, sharedRequests * 3 / 4 / settings.responders) }

    /// How many bodies of 100,000 bytes or more, or of unknown length, nginx receives at a time: from one address, and from
    /// all addresses together.
    static let uploadsPerAddress = 64
    static let uploads = 256

    /// How many bytes of a body nginx holds in memory; the rest goes to a file. Each request in progress may take this much.
    /// A body that does not count as an upload fits, so that it needs no space on a disk that may be full.
    private var bodyBufferBytes: Int { min(settings.maximumBodyBytes, 128 << 10) }

    /// nginx passes a request to another responder no later than this after it has passed it to the first. That is longer
    /// than the longest wait of a request. The store remembers requests for longer still.
    static let retrySeconds = 80

    /// How many idle connections to responders each nginx process keeps.
    static let keptConnections = 64

    /// How many connections may wait at a responder's socket: as many as nginx can have, because nginx answers 502 when the
    /// backlog is full.
    package var backlog: Int { settings.maximumConnections }

    package func socketPath(_ responder: Int) -> FilePath {
        settings.runDirectory.appending("responder-\(responder).sock")
    }

    package var healthSocket: FilePath { settings.runDirectory.appending("health.sock") }

    var configuration: FilePath { settings.runDirectory.appending("nginx.conf") }

    /// Looks for the templates beside the program: where `make install` puts them, or in the checkout it was built in.
    package static func findTemplates(_ program: FilePath) throws(Refusal) -> FilePath {
        var directory = program.removingLastComponent()
        // Not share/postroom itself: older releases have theirs there.
        var candidates = [directory.removingLastComponent().appending("share/postroom/nginx")]
        while !directory.isEmpty, directory != directory.removingLastComponent() {
            candidates.append(directory.appending("nginx"))
            directory = directory.removingLastComponent()
        }
        for candidate in candidates where Files.exists(candidate.appending("locations.conf")) { return candidate }
        throw Refusal(
            "cannot find the templates of nginx's configuration, neither in ../share/postroom/nginx beside \(program) nor in a source checkout above it"
        )
    }

    /// The files that nginx reads.
    package static let names = ["nginx.conf", "upstream.conf", "locations.conf", "operations.conf"]

    /// Writes the files that nginx reads, and returns whether any of them has changed.
    package func write(workerUser: String?) throws(Refusal) -> Bool {
        var isNew = false
        // Fill in all of them before the first is written: if one fails, none is changed.
        let texts = try Self.names.map { name throws(Refusal) in (name, try filled(name, workerUser: workerUser)) }
        for (name, text) in texts {
            let target = settings.runDirectory.appending(name)
            if Files.contents(of: target) == Array(text.utf8) { continue }
            isNew = true
            do throws(Errno) {
                try Files.replace(
                    target, with: Array(text.utf8), permissions: [.ownerReadWrite, .groupRead, .otherRead])
            } catch {
                throw Refusal("cannot write \(target): \(error)")
            }
        }
        return isNew
    }

    /// One of the templates, filled in.
    package func filled(_ name: String, workerUser: String?) throws(Refusal) -> String {
        var text = try template(name)
        for (word, part, start) in Self.pages where text.contains("@\(word)@") {
            text = text.replacing("@\(word)@", with: settings.hasInspector ? try page(part, start: start) : "")
        }
        return fill(text, workerUser: workerUser)
    }

    /// The words for the addresses of the two pages: in locations.conf for the inspector, in operations.conf for the overview.
    /// With each, the template of the addresses, and the file that is the page.
    private static let pages = [
        ("INSPECTOR", "inspector.conf", "index.html"), ("OVERVIEW", "overview.conf", "overview.html"),
    ]

    /// The template of a page's addresses, and of what lies behind them. It is an error if the page is not installed.
    private func page(_ part: String, start: String) throws(Refusal) -> String {
        let file = pageDirectory.appending(start)
        guard Files.exists(file) else {
            throw Refusal(
                "cannot find the page of the inspector, \(file). Install the program and its page together, or set INSPECTOR=false"
            )
        }
        return try (template(part) + "\n" + template("page.conf")).replacing("@PAGE_START@", with: start)
    }

    private var pageDirectory: FilePath { templates.removingLastComponent().appending("page") }

    /// A template as it is in its file.
    private func template(_ name: String) throws(Refusal) -> String {
        let source = templates.appending(name)
        guard let template = Files.contents(of: source) else { throw Refusal("cannot read \(source)") }
        let text = String(decoding: template, as: UTF8.self)
        let known = Set(values(workerUser: nil).map(\.0)).union(Self.pages.map(\.0) + ["PAGE_START"])
        for match in text.matches(of: /@([A-Z_]+)@/) where !known.contains(String(match.1)) {
            throw Refusal(
                "\(source) has @\(match.1)@, which this program does not know: the template belongs to another version. Install the program and its templates together"
            )
        }
        return text
    }

    /// Replaces each known `@WORD@` with its value.
    func fill(_ template: String, workerUser: String?) -> String {
        var text = template
        for (word, value) in values(workerUser: workerUser) {
            let parts = text.components(separatedBy: "@\(word)@")
            text = parts.joined(separator: value)
        }
        return text
    }

    private func values(workerUser: String?) -> [(String, String)] {
        [
            ("USER", workerUser.map { "user \($0);" } ?? ""),
            ("RUN", settings.runDirectory.string),
            ("API_DIRECTORY", templates.removingLastComponent().appending("api").string),
            ("PAGE_DIRECTORY", pageDirectory.string),
            ("PAGE_HEADERS", NginxPageHeaders.lines),
            ("LOG_LEVEL", settings.logLevel <= .debug ? "info" : "crit"),
            ("DESCRIPTORS", String(min(Self.descriptors(settings), descriptorLimit))),
            ("SHUTDOWN", String(max(1, Int(settings.shutdownSeconds)))),
            ("CONNECTIONS", String(connections)),
            ("BACKLOG", String(backlog)),
            ("REAL_IP", realIP),
            ("FORWARDED", forwarded),
            ("SCHEME", readsForwarded ? "$postroom_scheme" : "$scheme"),
            (
                "FORWARDED_HOST",
                readsForwarded ? "fastcgi_param FORWARDED_HOST $postroom_host if_not_empty;" : ""
            ),
            ("LIMIT_ZONES", limitZones),
            ("LIMITS", limits),
            ("SHARE_ZONES", shareZones),
            ("SHARES", shares),
            ("BODY_BUFFER_BYTES", String(bodyBufferBytes)),
            ("REFUSALS", NginxRefusals(settings: settings).texts),
            ("REFUSED_WEBHOOKS", NginxRefusals(settings: settings).webhookObjects),
            ("REFUSED_EVENTS", NginxRefusals(settings: settings).eventObjects),
            ("REFUSED_PAGE", NginxRefusals(settings: settings).pageTexts),
            ("HEADER_BYTES", String(settings.maximumHeaderBytes)),
            ("MESSAGE_BYTES", String(settings.maximumMessageBytes)),
            ("EVENT_BYTES", String(settings.events.maximumEventBytes)),
            ("EVENTS_USER", eventsUser),
            ("CERTIFICATE_USER", certificateUser),
            ("BODY_BYTES", String(settings.maximumBodyBytes)),
            ("ADDRESS", Self.address(settings.host, settings.port)),
            ("LISTEN_API", listenAPI),
            ("API_TIMEOUTS", timeouts(settings.apiTimeouts)),
            ("OPERATIONS", operations),
            ("LISTEN_TLS", settings.tls == nil ? "" : " ssl http2"),
            ("TLS", tls),
            ("SERVERS", servers),
            ("KEPT", String(Self.keptConnections)),
            ("RETRY", String(Self.retrySeconds)),
            // Answer 404 outside the mount point, and at the mount point without its slash, where nginx would redirect.
            ("OUTSIDE", settings.mountPoint.isEmpty ? "" : "location / { \(notFound) }"),
            ("BARE_MOUNT", settings.mountPoint.isEmpty ? "" : "location = \(settings.mountPoint) { \(notFound) }"),
            ("MOUNT", settings.mountPoint),
            ("MOUNT_PATTERN", mountPattern),
        ]
    }

    /// An address and a port, as nginx and URLs write them.
    package static func address(_ host: String, _ port: Int) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// The directives that set the user of a request to the API of events.
    private var eventsUser: String {
        switch settings.events.userSource {
        case .none, .header: return ""
        case .basic:
            let file = settings.userFile?.string ?? ""
            return "set $postroom_user $remote_user; auth_basic Postroom; auth_basic_user_file \"\(file)\";"
        case .certificate: return "set $postroom_user $postroom_certificate_user;"
        }
    }

    /// The directives that take the common name of the client's certificate, if nginx has verified it. In a name in the form
    /// of RFC 2253, commas and plus signs that are not separators are escaped. These use `set` and `if` because the
    /// locations file is included in a server block, where `map` is not allowed.
    private var certificateUser: String {
        guard settings.events.userSource == .certificate else { return "" }
        // nginx reads two backslashes between quotes as one.
        return #"""
            set $postroom_certificate_user "";
            set $postroom_certificate $ssl_client_verify:$ssl_client_s_dn;
            if ($postroom_certificate ~ "^SUCCESS:(?:(?:[^,+\\\\]|\\\\.)*[,+])*?CN=(?<postroom_cn>(?:[^,+\\\\]|\\\\.)+)") {
                set $postroom_certificate_user $postroom_cn;
            }
            """#
    }

    private var listenAPI: String {
        guard let port = settings.apiPort, port != settings.port else { return "" }
        return
            "listen \(Self.address(settings.host, port)) backlog=\(backlog)\(settings.tls == nil ? "" : " ssl http2");"
    }

    /// The server block of the operations port, without TLS, mount point and APIs.
    private var operations: String {
        guard settings.operationsPort != 0 else { return "" }
        return "server { listen \(Self.address(settings.operationsHost, settings.operationsPort)); "
            + "\(timeouts(settings.operationsTimeouts)) include \"\(settings.runDirectory)/operations.conf\"; }"
    }

    private func timeouts(_ timeouts: Settings.Timeouts) -> String {
        let (read, write) = (milliseconds(timeouts.readSeconds), milliseconds(timeouts.writeSeconds))
        return "client_header_timeout \(read); client_body_timeout \(read); send_timeout \(write);"
    }

    private func milliseconds(_ seconds: Double) -> String { "\(Int((seconds * 1000).rounded(.up)))ms" }

    private var notFound: String { "default_type \"text/plain; charset=utf-8\"; return 404 \"404: Not Found\";" }

    private var realIP: String {
        guard !settings.trustedProxies.isEmpty else { return "" }
        let sources = settings.trustedProxies.map { "set_real_ip_from \($0);" }
        return (sources + ["real_ip_header X-Forwarded-For;", "real_ip_recursive on;"]).joined(separator: "\n    ")
    }

    /// Whether proxies may say how clients called them. That needs maps, which are in `upstream.conf`.
    private var readsForwarded: Bool { hasZones && !settings.trustedProxies.isEmpty }

    /// The maps for the scheme and the host that a trusted proxy reports.
    private var forwarded: String {
        guard readsForwarded else { return "" }
        let proxies = settings.trustedProxies.map { "\($0) 1;" }.joined(separator: " ")
        return [
            "geo $realip_remote_addr $postroom_is_proxied { default 0; \(proxies) }",
            #"map "$postroom_is_proxied $http_x_forwarded_proto" $postroom_scheme { "~*^1 https\b" https; "~*^1 http\b" http; default $scheme; }"#,
            #"map "$postroom_is_proxied $http_x_forwarded_host" $postroom_host { "~^1 (?<postroom_first_host>[^, ]+)" $postroom_first_host; default ""; }"#,
        ].joined(separator: "\n")
    }

    private var limitZones: String {
        var lines: [String] = []
        if let rate = settings.requestsPerSecond {
            lines.append("limit_req_zone $binary_remote_addr zone=postroom_rate:10m rate=\(rate)r/s;")
        }
        if settings.connectionsPerAddress != nil {
            lines.append("limit_conn_zone $binary_remote_addr zone=postroom_connections:10m;")
        }
        return lines.joined(separator: "\n")
    }

    private var limits: String {
        var lines: [String] = []
        if let rate = settings.requestsPerSecond {
            lines.append("limit_req zone=postroom_rate burst=\(settings.requestBurst ?? rate) nodelay;")
            lines.append("limit_req_status 429;")
            lines.append("limit_req_log_level info;")
        }
        if let count = settings.connectionsPerAddress {
            lines.append("limit_conn postroom_connections \(count);")
            lines.append("limit_conn_status 429;")
            lines.append("limit_conn_log_level info;")
        }
        return lines.joined(separator: "\n    ")
    }

    /// The mount point in a regular expression.
    private var mountPattern: String { settings.mountPoint.replacing(".", with: "\\.") }

    private var shareZones: String {
        // What is not an upload: requests with a short body or without one. A body of HTTP/2 may come without a length: then
        // the method decides, and for POST the path, because a POST to /read has no body and may wait for news. A body that
        // is missed here takes only as much memory as nginx's buffer.
        let others = [
            #""~^[^:]+:HTTP/1[.0-9]+:[0-9]{0,5}::" """#,
            #""~^[^:]+:HTTP/2[.0-9]+:[0-9]{1,5}::" """#,
            #""~^(?:GET|HEAD|OPTIONS|DELETE):HTTP/2[.0-9]+:::" """#,
            #""~^POST:HTTP/2[.0-9]+:::\#(mountPattern)/read/" """#,
        ].joined(separator: "; ")
        let size = "$request_method:$server_protocol:$content_length:$http_transfer_encoding:$uri"
        let lines = [
            "map $remote_addr $postroom_all { \"unix:\" \"\"; default all; }",
            "map $remote_addr $postroom_address { \"unix:\" \"\"; default $binary_remote_addr; }",
            "map \"\(size)\" $postroom_is_upload { \(others); default 1; }",
            "map $postroom_is_upload $postroom_upload { \"\" \"\"; default $postroom_address; }",
            "map $postroom_is_upload $postroom_any_upload { \"\" \"\"; default $postroom_all; }",
            "limit_conn_zone $postroom_all zone=postroom_all:64k;",
            "limit_conn_zone $postroom_address zone=postroom_addresses:10m;",
            "limit_conn_zone $postroom_upload zone=postroom_uploads:10m;",
            "limit_conn_zone $postroom_any_upload zone=postroom_all_uploads:64k;",
        ]
        return lines.joined(separator: "\n")
    }

    /// Limits on the requests that one address, and all clients together, may have in progress, so that one client cannot
    /// block the others.
    private var shares: String {
        guard hasZones else { return "" }
        var lines = [
            "limit_conn postroom_all \(sharedRequests);",
            "limit_conn postroom_addresses \(requestsPerAddress);",
            "limit_conn postroom_uploads \(Self.uploadsPerAddress);",
            "limit_conn postroom_all_uploads \(Self.uploads);",
        ]
        // With CONNECTION_LIMIT, `limits` has these two already.
        if settings.connectionsPerAddress == nil { lines += ["limit_conn_status 429;", "limit_conn_log_level info;"] }
        return lines.joined(separator: "\n    ")
    }

    private var tls: String {
        guard let tls = settings.tls else { return "" }
        var lines = [
            "ssl_certificate \"\(tls.certificate)\";",
            "ssl_certificate_key \"\(tls.key)\";",
            "ssl_protocols TLSv1.2 TLSv1.3;",
            "ssl_session_cache shared:postroom_tls:10m;",
            "ssl_session_tickets off;",
        ]
        if let authority = tls.clientAuthority {
            lines.append("ssl_client_certificate \"\(authority)\";")
            lines.append("ssl_verify_client \(tls.clientVerification.rawValue);")
        }
        return lines.joined(separator: "\n        ")
    }

    /// The entries of the upstream. nginx retries a request only on an entry that it has not tried, and each idle connection
    /// to a responder that died costs one try until nginx notices. So the whole list is repeated.
    private var servers: String {
        let sockets = (1...settings.responders).map { "server \"unix:\(socketPath($0))\" max_fails=0;" }
        let rounds = max(2, (Self.keptConnections + 8) / sockets.count + 1)
        return Array(repeating: sockets, count: rounds).joined().joined(separator: "\n    ")
    }
}

extension String {
    fileprivate func components(separatedBy word: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: word) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        return parts + [String(rest)]
    }
}
