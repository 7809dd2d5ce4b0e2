internal import Capture
internal import Cryptography
internal import Delivery
internal import DeliveryEngine
internal import Events
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
    var events = EventSettings(version: postroomVersion)
    /// Who may call the API of events by user name and password, where nginx asks for them.
    var userFile: FilePath?
    /// A configuration file of the service that event routing replaces, as given, and what is of no effect in it.
    var pacificaFile = ""
    var pacificaIgnored: [String] = []
    /// Of the service that knows the environments; `nil`: any UUID is one.
    var projectManagementURL: String?
    var kafka = KafkaSettings()
    /// Where operational events are sent, and the key they are signed with (Standard Webhooks' v1).
    var operationalURL: String?
    var operationalSecret: String?
    /// What operators call this installation, and where it runs: told at the operations port.
    var environmentName = "development"
    var podAddress = "127.0.0.1"
    var podName = "localhost"
    /// Of the times in log lines; a name of the zone database.
    var timeZone = Self.universalTime
    /// Of the engine that DB_URI will name.
    var databaseUser = "postgres"
    var databasePassword: String?
    var databaseName = "notificationmanagement"
    /// 32 bytes; `nil`: the key in `secret.key` is used.
    var encryptionSecret: String?

    /// Where sockets, nginx's configuration and its temporary files lie.
    var runDirectory: FilePath { dataDirectory.appending("run") }

    static let universalTime = "UTC"

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
    init(environment given: [String: String]) throws(SettingError) {
        self.init()
        let pacifica = try PacificaSettings(environment: given)
        pacificaIgnored = pacifica.ignored
        let environment = given.merging(pacifica.values) { mine, _ in mine }
        for variable in Self.variables {
            guard let text = environment[variable.name] else { continue }
            guard variable.set(&self, text) else {
                let shown = variable.isSecret ? "…" : text
                throw SettingError(
                    name: pacifica.places[variable.name] ?? variable.name, value: shown, takes: variable.takes)
            }
        }
        if requestsPerSecond == nil, let burst = requestBurst {
            throw SettingError(name: "RATE_LIMIT_BURST", value: String(burst), takes: "effect only with RATE_LIMIT")
        }
        if operationalURL == nil, operationalSecret != nil {
            throw SettingError(name: "OPS_EVENTS_SECRET", value: "…", takes: "effect only with OPS_EVENTS_URL")
        }
        try kafka.security.check()
        if (environment["QUEUE_CONFIG"] ?? "").isEmpty { queueFile = dataDirectory.appending("options.conf") }
        if environment["SERVER_URL"] == nil { serverURL = "http://localhost:\(port)" }
        try readTLS(environment)
        delivery.policies.fixed = .fixed(retries: webhookRetries, interval: webhookRetrySeconds)
        if let waits = webhookRetrySchedule {
            delivery.policies.fixed = .schedule(waits)
            delivery.policies.standard = .schedule(waits)
        }
        try readEvents(environment)
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
}
