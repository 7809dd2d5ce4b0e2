package import Capture
internal import Cryptography
internal import Delivery
package import DeliveryEngine
package import Events
internal import Linux
internal import Logging
package import Queues
package import SystemPackage
package import Values
internal import Webhooks

/// The settings of an installation, which are environment variables. `docs/settings.md` says what each means.
package struct Settings: Equatable {
    package enum Durability: String, Equatable {
        /// What was acknowledged survives a crash of the machine.
        case disk
        /// What was acknowledged survives the death of any process. A crash of the machine undoes what came since the last
        /// checkpoint.
        case process
    }

    enum LogFormat: String, Equatable { case text, json }

    enum ClientVerification: String, Equatable { case off, optional, on }

    package struct TLS: Equatable {
        var certificate: FilePath
        var key: FilePath
        var clientAuthority: FilePath?
        var clientVerification: ClientVerification
    }

    package var host = "127.0.0.1"
    package var port = 8080
    /// As given; the default follows the port.
    var serverURL = "http://localhost:8080"
    /// Hosts that clients may call the service by besides that of SERVER_URL, and whose pages may use it; `*`: any `Host`.
    var allowedHosts: [String] = []
    /// MOUNT_POINT as given.
    var mountPointText = "/"
    /// Empty, or a path that begins with a slash and does not end with one.
    package var mountPoint = ""
    /// Whether nginx serves the inspector, a page for browsers.
    package var hasInspector = true
    var limits = CaptureLimits()
    package var capturePermissions = CapturePermissions()
    /// When standing forwards that have failed are tried again.
    package var forwardRetrySchedule = [5.0, 60, 300, 1800, 7200]
    var cleanupSeconds = 120.0
    var logLevel = Logger.Level.info
    var logFormat = LogFormat.text
    package var dataDirectory: FilePath = "var"
    package var responders = Machine.processorCount()
    package var durability = Durability.disk
    package var maximumBodyBytes = 25 << 20
    var maximumHeaderBytes = 8 << 10
    package var maximumStoreBytes = 64 << 30
    package var journalBytes = 64 << 20
    package var maximumConnections = 8192
    var requestsPerSecond: Int?
    var requestBurst: Int?
    var connectionsPerAddress: Int?
    var trustedProxies: [String] = []
    package var tls: TLS?
    package var shutdownSeconds = 10.0
    package var nginxProgram: FilePath = "/usr/sbin/nginx"
    /// As given; the default follows DATA_DIR.
    package var queueFile: FilePath = "var/options.conf"
    package var queuePasswordHash = PasswordHash.Kind.digest(.sha512)
    package var maximumMessageBytes = 16 << 20
    /// A second port of the APIs, besides `port`; `nil`: no second port.
    package var apiPort: Int?
    /// 0: no operations port.
    package var operationsPort = 3616
    package var operationsHost = "127.0.0.1"
    var webhooks = WebhookSettings()
    package var delivery = DispatcherSettings(userAgent: "Postroom/\(postroomVersion)")
    var webhookRetries = 3
    var webhookRetrySeconds = 1.0
    /// Replaces both retry policies, `fixed` and `standard`, if it is set.
    var webhookRetrySchedule: [Double]?
    var webhookSignatureAlgorithm = SignatureAlgorithm.ed25519
    var webhooksAreHTTPSOnly = false
    var webhookRetentionSeconds = 30 * 86_400.0
    var webhookLogBytes = 10 << 30
    package var allowedSubnets: [IPNetwork] = []
    package var events = EventSettings(version: postroomVersion)
    /// The file of the users that may call the API of events, with their passwords. nginx reads it if USER_SOURCE is basic.
    var userFile: FilePath?
    /// A configuration file of pacifica-notifications, as given, and what is in it.
    var pacificaFile = ""
    package var pacifica = PacificaSettings()
    /// The URL of the service that knows the environments; `nil`: any UUID is an environment.
    var projectManagementURL: String?
    package var kafka = KafkaSettings()
    /// The URL that operational events are sent to, and the secret that signs them (Standard Webhooks' v1).
    var operationalURL: String?
    var operationalSecret: String?
    /// The name of this installation and where it runs, as the operations port shows them.
    var environmentName = "development"
    var podAddress = "127.0.0.1"
    var podName = "localhost"
    /// The time zone of log lines: a name of the zone database.
    var timeZone = Self.universalTime
    /// Where PostgreSQL is; `nil`: the store is a file in DATA_DIR.
    package internal(set) var database: DatabaseAddress?
    /// The login at PostgreSQL and the database, unless the address has them.
    var databaseUser = "postgres"
    var databasePassword: String?
    var databaseName = "notificationmanagement"
    /// 32 bytes; `nil`: the key in `secret.key` is used.
    var encryptionSecret: String?
    /// How long nginx waits for a client between two reads, and between two writes, at the ports of the APIs and at the
    /// operations port.
    var apiTimeouts = Timeouts()
    var operationsTimeouts = Timeouts()

    struct Timeouts: Equatable {
        var readSeconds = 5.0
        var writeSeconds = 10.0
    }

    /// The directory of the sockets, of nginx's configuration and of its temporary files.
    package var runDirectory: FilePath { dataDirectory.appending("run") }

    static let universalTime = "UTC"

    /// The URL that is handed out for an endpoint, up to the endpoint's id.
    var webhookURL: String { joinedURL([serverURL, mountPoint, "/webhook/"]) }
}

/// Joins parts of a URL as the service that capture replaces does: removes blanks around a part and empty parts, and adds or
/// removes a slash so that there is one where two parts meet.
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
    /// Reads the variables. A setting whose variable is not set keeps its default; unknown variables are ignored. All faults
    /// are thrown together.
    init(environment given: [String: String]) throws(SettingErrors) {
        self.init()
        var faults: [SettingError] = []
        do throws(SettingError) { pacifica = try PacificaSettings(environment: given) } catch { faults.append(error) }
        var environment = given.merging(pacifica.values) { mine, _ in mine }
        for variable in Self.variables {
            let name = variable.name(in: environment)
            if let alias = variable.alias, let other = environment[alias], name != alias {
                if other != environment[variable.name] {
                    faults.append(
                        SettingError(name: alias, value: other, mustBe: "the same as \(variable.name), or not set"))
                }
            }
            guard let text = environment[name] else { continue }
            environment[variable.name] = text
            guard !variable.set(&self, text) else { continue }
            faults.append(
                SettingError(
                    name: pacifica.places[name] ?? name, value: variable.isSecret ? "…" : text,
                    mustBe: variable.expected))
        }
        let isFaulty = !faults.isEmpty
        if (environment["QUEUE_CONFIG"] ?? "").isEmpty { queueFile = dataDirectory.appending("options.conf") }
        readTLS(environment, &faults)
        if environment["SERVER_URL"] == nil { serverURL = "\(tls == nil ? "http" : "https")://localhost:\(port)" }
        delivery.policies.fixed = .fixed(retries: webhookRetries, interval: webhookRetrySeconds)
        if let waits = webhookRetrySchedule {
            delivery.policies.fixed = .schedule(waits)
            delivery.policies.standard = .schedule(waits)
        }
        readEvents(environment, &faults)
        limits.pendingForwards = capturePermissions.allowsForwarding ? ForwardLimits.pendingPerEndpoint : 0
        webhooks.retentionSeconds = webhookRetentionSeconds
        delivery.headers.signature = webhooks.signatureHeader
        delivery.headers.timestamp = webhooks.signatureTimestampHeader
        delivery.overlapSeconds = webhooks.rotationSeconds
        // Values are compared with one another only if each of them is valid by itself.
        if !isFaulty { checkTogether(&faults) }
        if !faults.isEmpty { throw SettingErrors(faults: faults) }
    }

    /// Adds the faults of settings that are valid by themselves, but not together with another one.
    private func checkTogether(_ faults: inout [SettingError]) {
        func fault(_ name: String, _ value: String, _ reason: String) {
            faults.append(SettingError(name: name, value: value, but: reason))
        }
        if requestsPerSecond == nil, let burst = requestBurst {
            fault("RATE_LIMIT_BURST", String(burst), "has no effect without RATE_LIMIT")
        }
        if webhooks.signatureHeader.lowercased() == webhooks.signatureTimestampHeader.lowercased() {
            fault(
                "WEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_TIMESTAMP_HEADER", webhooks.signatureTimestampHeader,
                "must be another header than that of the signature")
        }
        if operationalURL == nil, operationalSecret != nil {
            fault("OPS_EVENTS_SECRET", "…", "has no effect without OPS_EVENTS_URL")
        }
        if let url = operationalURL, let reason = whyNotCalled(url) {
            fault("OPS_EVENTS_URL", url, "must be a URL that may be called: \(reason)")
        }
        for (name, taken) in [("APP_PORT", port), ("API_SERVER_PORT", apiPort ?? 0)]
        where operationsPort != 0 && operationsPort == taken && isSameAddress(host, operationsHost) {
            fault("OPS_SERVER_PORT", String(operationsPort), "must be another port than \(name), or 0 for none")
        }
        kafka.security.check(&faults)
    }

    /// The reason why a URL may not be called, as far as that is known without a lookup: of names only those of this machine
    /// are checked here. Other names are looked up when the URL is called.
    private func whyNotCalled(_ url: String) -> String? {
        let addresses = AddressGuard(allowing: allowedSubnets)
        if let reason = addresses.fault(ofURL: url) { return reason }
        guard let host = try? TargetURL(url).host, host == "localhost" || host.hasSuffix(".localhost") else {
            return nil
        }
        let refusals = ["127.0.0.1", "::1"].compactMap { IPAddress($0) }.map(addresses.refusal)
        return refusals.contains(nil) ? nil : refusals.compactMap { $0 }.first
    }

    /// Whether listening at both addresses on one port is impossible: they are equal, or one of them means all addresses of
    /// its family.
    private func isSameAddress(_ one: String, _ other: String) -> Bool {
        guard one.contains(":") == other.contains(":") else { return false }
        return one == other || [one, other].contains { $0 == "0.0.0.0" || $0 == "::" }
    }

    private mutating func readTLS(_ environment: [String: String], _ faults: inout [SettingError]) {
        let before = faults.count
        func file(_ name: String) -> FilePath? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            guard let path = Files.absolute(FilePath(text)), Files.isReadable(path) else {
                faults.append(SettingError(name: name, value: text, mustBe: "the path of a readable file"))
                return nil
            }
            guard Self.isQuotable(path.string), !path.string.contains("$") else {
                faults.append(
                    SettingError(
                        name: name, value: text, mustBe: "a path without quotes, backslashes and any of $*?[]@"))
                return nil
            }
            return path
        }
        let certificate = file("TLS_CERTIFICATE")
        let key = file("TLS_CERTIFICATE_KEY")
        let authority = file("TLS_CLIENT_CA")
        let text = environment["TLS_CLIENT_VERIFY"] ?? ""
        let verification = ClientVerification(rawValue: text)
        if !text.isEmpty, verification == nil {
            faults.append(SettingError(name: "TLS_CLIENT_VERIFY", value: text, mustBe: "off, optional or on"))
        }
        guard faults.count == before else { return }
        guard let certificate else {
            for name in ["TLS_CERTIFICATE_KEY", "TLS_CLIENT_CA"] where environment[name]?.isEmpty == false {
                faults.append(
                    SettingError(
                        name: name, value: environment[name] ?? "", but: "has no effect without TLS_CERTIFICATE"))
            }
            if let verification, verification != .off {
                faults.append(
                    SettingError(name: "TLS_CLIENT_VERIFY", value: text, but: "has no effect without TLS_CERTIFICATE"))
            }
            return
        }
        if let verification, verification != .off, authority == nil {
            faults.append(
                SettingError(name: "TLS_CLIENT_VERIFY", value: text, but: "requires TLS_CLIENT_CA"))
        }
        guard let key else {
            faults.append(
                SettingError(
                    name: "TLS_CERTIFICATE_KEY", value: "",
                    mustBe: "the path of the key of TLS_CERTIFICATE"))
            return
        }
        tls = TLS(
            certificate: certificate, key: key, clientAuthority: authority,
            clientVerification: verification ?? (authority == nil ? .off : .on))
    }
}
