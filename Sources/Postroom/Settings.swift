internal import Capture
internal import Cryptography
internal import Delivery
internal import DeliveryEngine
internal import HTTPTypes
internal import Linux
internal import Logging
internal import Queues
internal import SystemPackage
internal import Webhooks

/// All that an operator can set, from environment variables. The table in the README says what each means.
struct Settings: Equatable {
    enum Durability: String, Equatable {
        /// What was acknowledged survives a crash of the machine.
        case disk
        /// It survives the death of any process.
        case process
    }

    enum LogFormat: String, Equatable { case text, json }

    enum ClientVerification: String, Equatable { case off, optional, on }

    struct TLS: Equatable {
        var certificate: FilePath
        var key: FilePath
        var clientAuthority: FilePath?
        var clientVerification: ClientVerification
    }

    var host = "127.0.0.1"
    var port = 8080
    /// As given; the default follows the port.
    var serverURL = "http://localhost:8080"
    /// As given.
    var mountPointText = "/"
    /// Empty, or from a slash to a segment's end.
    var mountPoint = ""
    var limits = CaptureLimits()
    var cleanupSeconds = 120.0
    var logLevel = Logger.Level.info
    var logFormat = LogFormat.text
    var dataDirectory: FilePath = "var"
    var responders = Machine.processorCount()
    var durability = Durability.disk
    var maximumBodyBytes = 1 << 20
    var maximumHeaderBytes = 8 << 10
    var maximumStoreBytes = 64 << 30
    var maximumConnections = 8192
    var requestsPerSecond: Int?
    var requestBurst: Int?
    var connectionsPerAddress: Int?
    var trustedProxies: [String] = []
    var tls: TLS?
    var shutdownSeconds = 10.0
    var nginxProgram: FilePath = "/usr/sbin/nginx"
    /// As given; the default follows DATA_DIR.
    var queueFile: FilePath = "var/options.conf"
    var queuePasswordHash = PasswordHash.Kind.digest(.sha512)
    var maximumMessageBytes = 16 << 20
    /// Where the APIs are served beside `port`; `nil`: nowhere.
    var apiPort: Int?
    /// 0: there is none.
    var operationsPort = 3616
    var operationsHost = "127.0.0.1"
    var webhooks = WebhookSettings()
    var delivery = DispatcherSettings(userAgent: "Postroom/\(postroomVersion)")
    var webhookRetries = 3
    var webhookRetrySeconds = 1.0
    /// In place of both retry policies, where it is set.
    var webhookRetrySchedule: [Double]?
    var webhookSignatureAlgorithm = SignatureAlgorithm.ed25519
    var webhooksAreHTTPSOnly = false
    var webhookRetentionSeconds = 30 * 86_400.0
    var webhookLogBytes = 10 << 30
    var allowedSubnets: [IPNetwork] = []
    var kafka = KafkaSettings()
    /// 32 bytes; `nil`: the key in `secret.key` is used.
    var encryptionSecret: String?

    /// Where sockets, nginx's configuration and its temporary files lie.
    var runDirectory: FilePath { dataDirectory.appending("run") }

    /// What stands before an endpoint's id in the URL that is handed out for it.
    var webhookURL: String { joinedURL([serverURL, mountPoint, "/webhook/"]) }
}

/// Joins parts of a URL as the original does: blanks around a part go, empty parts too, and exactly one slash is put, or
/// kept, where two parts meet.
func joinedURL(_ parts: [String]) -> String {
    parts.map(SettingText.trimmed).filter { !$0.isEmpty }.reduce("") { url, part in
        if url.isEmpty { return part }
        switch (url.hasSuffix("/"), part.hasPrefix("/")) {
        case (true, true): return url + part.dropFirst()
        case (false, false): return url + "/" + part
        default: return url + part
        }
    }
}

extension Settings {
    /// Reads the variables. What is not set keeps its default; what is not known is left alone.
    init(environment: [String: String]) throws(SettingError) {
        self.init()
        for variable in Self.variables {
            guard let text = environment[variable.name] else { continue }
            guard variable.set(&self, text) else {
                let shown = Self.secrets.contains(variable.name) ? "…" : text
                throw SettingError(name: variable.name, value: shown, takes: variable.takes)
            }
        }
        if requestsPerSecond == nil, let burst = requestBurst {
            throw SettingError(name: "RATE_LIMIT_BURST", value: String(burst), takes: "effect only with RATE_LIMIT")
        }
        if (environment["QUEUE_CONFIG"] ?? "").isEmpty { queueFile = dataDirectory.appending("options.conf") }
        if environment["SERVER_URL"] == nil { serverURL = "http://localhost:\(port)" }
        try readTLS(environment)
        webhooks.fixedPolicy = .fixed(retries: webhookRetries, interval: webhookRetrySeconds)
        if let waits = webhookRetrySchedule {
            webhooks.fixedPolicy = .schedule(waits)
            webhooks.standardPolicy = .schedule(waits)
        }
        webhooks.retentionSeconds = webhookRetentionSeconds
        delivery.headers.signature = webhooks.signatureHeader
        delivery.headers.timestamp = webhooks.signatureTimestampHeader
        delivery.overlapSeconds = webhooks.rotationSeconds
    }

    private mutating func readTLS(_ environment: [String: String]) throws(SettingError) {
        func file(_ name: String) throws(SettingError) -> FilePath? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            guard let path = Files.absolute(FilePath(text)), Files.isReadable(path) else {
                throw SettingError(name: name, value: text, takes: "the path of a file that can be read")
            }
            guard Self.isQuotable(path.string), !path.string.contains("$") else {
                throw SettingError(
                    name: name, value: text, takes: "a path without quotes, backslashes and any of $*?[]@")
            }
            return path
        }
        let certificate = try file("TLS_CERTIFICATE")
        let key = try file("TLS_CERTIFICATE_KEY")
        let authority = try file("TLS_CLIENT_CA")
        let verification = environment["TLS_CLIENT_VERIFY"] ?? ""
        guard verification.isEmpty || ClientVerification(rawValue: verification) != nil else {
            throw SettingError(name: "TLS_CLIENT_VERIFY", value: verification, takes: "off, optional or on")
        }
        guard let certificate else {
            for name in ["TLS_CERTIFICATE_KEY", "TLS_CLIENT_CA"] where environment[name]?.isEmpty == false {
                throw SettingError(
                    name: name, value: environment[name] ?? "", takes: "effect only with TLS_CERTIFICATE")
            }
            guard ["", "off"].contains(verification) else {
                throw SettingError(
                    name: "TLS_CLIENT_VERIFY", value: verification, takes: "effect only with TLS_CERTIFICATE")
            }
            return
        }
        guard let key else {
            throw SettingError(
                name: "TLS_CERTIFICATE_KEY", value: "", takes: "the path of the key that belongs to TLS_CERTIFICATE")
        }
        if let wanted = ClientVerification(rawValue: verification), wanted != .off, authority == nil {
            throw SettingError(name: "TLS_CLIENT_VERIFY", value: verification, takes: "effect only with TLS_CLIENT_CA")
        }
        tls = TLS(
            certificate: certificate, key: key, clientAuthority: authority,
            clientVerification: ClientVerification(rawValue: verification) ?? (authority == nil ? .off : .on))
    }

    /// Values that are shown to nobody.
    private static let secrets = ["DB_ENCRYPTION_SECRET"]

    /// One variable: how it is read, and how it is shown.
    struct Variable {
        let name: String
        let takes: String
        let set: (inout Settings, String) -> Bool
        let show: (Settings) -> String
    }

    static var variables: [Variable] {
        [
            text("APP_HOST", \.host, "an IP address to listen on") { IPAddress($0) != nil },
            integer("APP_PORT", \.port, 1...65535),
            text("SERVER_URL", \.serverURL, "the address that clients reach this service at") { !$0.contains("\n") },
            Variable(
                name: "MOUNT_POINT", takes: "a path of letters, digits and - . _ ~, such as /api",
                set: { settings, text in
                    guard let path = mountPath(text) else { return false }
                    settings.mountPointText = text
                    settings.mountPoint = path
                    return true
                }, show: { $0.mountPoint.isEmpty ? "/" : $0.mountPoint }),
            bytes("MAX_ENDPOINT_BYTES", \.limits.bytesPerEndpoint, 1...(1 << 40)),
            seconds("MAX_IDLE_DURATION_SECONDS", \.limits.idleSeconds),
            seconds("MAX_DURATION_SECONDS", \.limits.lifetimeSeconds),
            integer("MAX_ACTIVE_ENDPOINTS", \.limits.endpoints),
            integer("MAX_ENDPOINT_NOTIFICATIONS", \.limits.notificationsPerEndpoint),
            duration("CLEANUP_FREQUENCY_SECONDS", \.cleanupSeconds),
            Variable(
                name: "LOG_LEVEL", takes: "DEBUG, INFO, WARNING, ERROR or CRITICAL",
                set: { settings, text in
                    guard let level = logLevels[text.uppercased()] else { return false }
                    settings.logLevel = level
                    return true
                }, show: { "\($0.logLevel)".uppercased() }),
            choice("LOG_FORMAT", \.logFormat, "text or json"),
            Variable(
                name: "DATA_DIR", takes: "the path of a directory, without quotes and backslashes",
                set: { settings, text in
                    settings.dataDirectory = FilePath(text)
                    return !text.isEmpty && isQuotable(text)
                }, show: { $0.dataDirectory.string }),
            integer("RESPONDERS", \.responders, 1...256),
            choice("DURABILITY", \.durability, "disk or process"),
            bytes("MAX_BODY_BYTES", \.maximumBodyBytes, 1...(1 << 30)),
            bytes("MAX_HEADER_BYTES", \.maximumHeaderBytes, 1024...(64 << 10)),
            bytes("MAX_STORE_BYTES", \.maximumStoreBytes, (16 << 20)...(64 << 40)),
            integer("MAX_CONNECTIONS", \.maximumConnections, 64...1_000_000),
            optional("RATE_LIMIT", \.requestsPerSecond, "requests a second for each address, a whole number from 1 on"),
            optional("RATE_LIMIT_BURST", \.requestBurst, "requests that may come at once beyond RATE_LIMIT"),
            optional("CONNECTION_LIMIT", \.connectionsPerAddress, "connections for each address, from 1 on"),
            Variable(
                name: "TRUSTED_PROXIES", takes: "addresses or networks such as 10.0.0.0/8, with commas between",
                set: { settings, text in
                    settings.trustedProxies = text.split(separator: ",").map { SettingText.trimmed(String($0)) }
                    return settings.trustedProxies.allSatisfy { IPNetwork($0) != nil }
                }, show: { $0.trustedProxies.joined(separator: ",") }),
            path("TLS_CERTIFICATE") { $0.tls?.certificate },
            path("TLS_CERTIFICATE_KEY") { $0.tls?.key },
            path("TLS_CLIENT_CA") { $0.tls?.clientAuthority },
            Variable(
                name: "TLS_CLIENT_VERIFY", takes: "off, optional or on", set: { _, _ in true },
                show: { ($0.tls?.clientVerification ?? .off).rawValue }),
            Variable(
                name: "QUEUE_CONFIG", takes: "the path of a file",
                set: { settings, text in
                    settings.queueFile = FilePath(text)
                    return true
                }, show: { $0.queueFile.string }),
            Variable(
                name: "QUEUE_PASSWORD_HASH",
                takes: "\(DigestAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")) or argon2id",
                set: { settings, text in
                    guard let kind = PasswordHash.Kind(text.lowercased()), kind != .plain else { return false }
                    settings.queuePasswordHash = kind
                    return true
                }, show: { $0.queuePasswordHash.name }),
            bytes("MAX_MESSAGE_BYTES", \.maximumMessageBytes, 1...(1 << 30)),
            Variable(
                name: "API_SERVER_PORT", takes: "a port, or nothing",
                set: { settings, text in
                    if text.isEmpty { return true }
                    settings.apiPort = SettingText.integer(text)
                    return settings.apiPort.map { (1...65535).contains($0) } ?? false
                }, show: { $0.apiPort.map(String.init) ?? "" }),
            text("OPS_SERVER_HOST", \.operationsHost, "an IP address to listen on") { IPAddress($0) != nil },
            integer("OPS_SERVER_PORT", \.operationsPort, 0...65535),
            flag("DEBUG", \.webhooks.isDebugging),
            integer("WEBHOOKS_MAX_RETRIES", \.webhookRetries, 0...1000),
            goDuration("WEBHOOKS_RETRY_INTERVAL", \.webhookRetrySeconds),
            goDuration("WEBHOOKS_WRITE_TIMEOUT", \.delivery.timeoutSeconds),
            Variable(
                name: "WEBHOOKS_RETRY_SCHEDULE", takes: "waits such as 5s,1m,1h30m, with commas between",
                set: { settings, text in
                    if text.isEmpty { return true }
                    let waits = text.split(separator: ",", omittingEmptySubsequences: false).map {
                        GoDuration.seconds(SettingText.trimmed(String($0)))
                    }
                    settings.webhookRetrySchedule = waits.compactMap { $0 }
                    return !waits.contains(nil)
                },
                show: { $0.webhookRetrySchedule.map { $0.map(GoDuration.text).joined(separator: ",") } ?? "" }),
            choice(
                "WEBHOOKS_SIGNATURE_ALGORITHM", \.webhookSignatureAlgorithm,
                SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")),
            text("WEBHOOKS_SIGNATURE_HEADER", \.webhooks.signatureHeader, "the name of a header", isFieldName),
            text(
                "WEBHOOKS_SIGNATURE_TIMESTAMP_HEADER", \.webhooks.signatureTimestampHeader, "the name of a header",
                isFieldName),
            Variable(
                name: "WEBHOOKS_ROTATION_OVERLAP", takes: "a length of time from 0 to 168h, such as 24h",
                set: { settings, text in
                    guard let value = GoDuration.seconds(SettingText.trimmed(text)), value <= 7 * 86_400 else {
                        return false
                    }
                    settings.webhooks.rotationSeconds = value
                    return true
                }, show: { GoDuration.text($0.webhooks.rotationSeconds) }),
            flag("WEBHOOKS_HTTPS_ONLY", \.webhooksAreHTTPSOnly),
            flag("WEBHOOKS_DISABLE_ON_GONE", \.delivery.disablesOnGone),
            goDuration("WEBHOOKS_RETENTION", \.webhookRetentionSeconds),
            bytes("WEBHOOKS_LOG_BYTES", \.webhookLogBytes, (1 << 20)...(64 << 40)),
            Variable(
                name: "DELIVERY_ALLOW_SUBNETS", takes: "networks such as 127.0.0.0/8, with commas between",
                set: { settings, text in
                    let networks = text.split(separator: ",").map { IPNetwork(SettingText.trimmed(String($0))) }
                    settings.allowedSubnets = networks.compactMap { $0 }
                    return !networks.contains(nil)
                }, show: { $0.allowedSubnets.map(\.description).joined(separator: ",") }),
            Variable(
                name: "KAFKA_BROKERS", takes: "names or addresses such as kafka:9092, with commas between",
                set: { settings, text in
                    settings.kafka.brokers = text.split(separator: ",", omittingEmptySubsequences: false)
                        .map { SettingText.trimmed(String($0)) }
                    if SettingText.trimmed(text).isEmpty { settings.kafka.brokers = [] }
                    return settings.kafka.brokers.allSatisfy(KafkaSettings.isBroker)
                }, show: { $0.kafka.brokers.joined(separator: ",") }),
            text(
                "KAFKA_TOPIC_PREFIX", \.kafka.topicPrefix, "up to 180 letters, digits and - . _",
                KafkaSettings.isTopicPrefix),
            integer("KAFKA_TOPIC_REPLICATION_FACTOR", \.kafka.replicationFactor, 1...32767),
            bytes("KAFKA_CONSUMER_FETCH_BYTES", \.kafka.fetchBytes, 1024...(512 << 20)),
            Variable(
                name: "KAFKA_CONSUMER_FETCH_FREQUENCY", takes: "a length of time from 1ms to 30s, such as 250ms",
                set: { settings, text in
                    guard let value = GoDuration.seconds(SettingText.trimmed(text)), (0.001...30).contains(value) else {
                        return false
                    }
                    settings.kafka.fetchSeconds = value
                    return true
                }, show: { GoDuration.text($0.kafka.fetchSeconds) }),
            Variable(
                name: "DB_ENCRYPTION_SECRET", takes: "exactly 32 characters of one byte each",
                set: { settings, text in
                    if text.isEmpty { return true }
                    settings.encryptionSecret = text
                    return text.utf8.count == 32
                }, show: { $0.encryptionSecret == nil ? "" : "(set)" }),
            Variable(
                name: "DB_URI", takes: "nothing yet: the store is a file in DATA_DIR; PostgreSQL comes later",
                set: { _, text in text.isEmpty }, show: { _ in "" }),
            duration("SHUTDOWN_SECONDS", \.shutdownSeconds),
            Variable(
                name: "NGINX", takes: "the path of nginx",
                set: { settings, text in
                    settings.nginxProgram = FilePath(text)
                    return text.hasPrefix("/")
                }, show: { $0.nginxProgram.string }),
        ]
    }

    private static let logLevels: [String: Logger.Level] = [
        "NOTSET": .trace, "TRACE": .trace, "DEBUG": .debug, "INFO": .info, "WARN": .warning, "WARNING": .warning,
        "ERROR": .error, "FATAL": .critical, "CRITICAL": .critical,
    ]

    private static func text(
        _ name: String, _ path: WritableKeyPath<Settings, String>, _ takes: String,
        _ isValid: @escaping (String) -> Bool
    ) -> Variable {
        Variable(
            name: name, takes: takes,
            set: { settings, text in
                settings[keyPath: path] = text
                return isValid(text)
            }, show: { $0[keyPath: path] })
    }

    private static func integer(
        _ name: String, _ path: WritableKeyPath<Settings, Int>, _ range: ClosedRange<Int>? = nil
    ) -> Variable {
        let takes = range.map { "a whole number from \($0.lowerBound) to \($0.upperBound)" } ?? "a whole number"
        return Variable(
            name: name, takes: takes,
            set: { settings, text in
                guard let value = SettingText.integer(text), range?.contains(value) != false else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    private static func optional(
        _ name: String, _ path: WritableKeyPath<Settings, Int?>, _ takes: String
    ) -> Variable {
        Variable(
            name: name, takes: takes,
            set: { settings, text in
                if text.isEmpty { return true }
                guard let value = SettingText.integer(text), (1...1_000_000).contains(value) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { $0[keyPath: path].map(String.init) ?? "off" })
    }

    private static func bytes(
        _ name: String, _ path: WritableKeyPath<Settings, Int>, _ range: ClosedRange<Int>
    ) -> Variable {
        Variable(
            name: name, takes: "bytes from \(range.lowerBound) to \(range.upperBound), or with k, m or g behind",
            set: { settings, text in
                guard let value = SettingText.bytes(text), range.contains(value) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    private static func seconds(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Variable {
        seconds(name, path, "a number of seconds") { _ in true }
    }

    private static func flag(_ name: String, _ path: WritableKeyPath<Settings, Bool>) -> Variable {
        Variable(
            name: name, takes: "true or false",
            set: { settings, text in
                guard let value = ["true": true, "1": true, "false": false, "0": false][text.lowercased()] else {
                    return false
                }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    /// A length of time as Go writes it.
    private static func goDuration(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Variable {
        Variable(
            name: name, takes: "a length of time above 0, such as 250ms, 5s or 1m30s",
            set: { settings, text in
                guard let value = GoDuration.seconds(SettingText.trimmed(text)), value > 0, value <= 1e9 else {
                    return false
                }
                settings[keyPath: path] = value
                return true
            }, show: { GoDuration.text($0[keyPath: path]) })
    }

    /// Whether a header may have this name (RFC 9110, section 5.1).
    private static func isFieldName(_ text: String) -> Bool { HTTPField.Name(text) != nil }

    /// Seconds that a clock is set by, and so must fit it.
    private static func duration(_ name: String, _ path: WritableKeyPath<Settings, Double>) -> Variable {
        seconds(name, path, "a number of seconds above 0, a billion at the most") { $0 > 0 && $0 <= 1e9 }
    }

    private static func seconds(
        _ name: String, _ path: WritableKeyPath<Settings, Double>, _ takes: String,
        _ isValid: @escaping (Double) -> Bool
    ) -> Variable {
        Variable(
            name: name, takes: takes,
            set: { settings, text in
                guard let value = SettingText.number(text), isValid(value) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { String($0[keyPath: path]) })
    }

    private static func choice<Value: RawRepresentable<String>>(
        _ name: String, _ path: WritableKeyPath<Settings, Value>, _ takes: String
    ) -> Variable {
        Variable(
            name: name, takes: takes,
            set: { settings, text in
                guard let value = Value(rawValue: text.lowercased()) else { return false }
                settings[keyPath: path] = value
                return true
            }, show: { $0[keyPath: path].rawValue })
    }

    /// Read together with the others of its kind, as what one takes depends on them.
    private static func path(_ name: String, _ show: @escaping (Settings) -> FilePath?) -> Variable {
        Variable(name: name, takes: "the path of a file", set: { _, _ in true }, show: { show($0)?.string ?? "" })
    }

    /// Whether nginx reads the text between quotes as it is.
    private static func isQuotable(_ text: String) -> Bool { !text.contains { "\"\\\n*?[]@".contains($0) } }

    /// The mount point with one slash before each segment and none at its end.
    private static func mountPath(_ text: String) -> String? {
        var path = ""
        for segment in SettingText.trimmed(text).split(separator: "/") {
            let isPlain = segment.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || "-._~".utf8.contains(byte)
            }
            guard isPlain, segment != ".", segment != ".." else { return nil }
            path += "/\(segment)"
        }
        return path
    }
}
