internal import Capture
internal import Cryptography
internal import Delivery
internal import DeliveryEngine
internal import HTTPTypes
internal import Linux
internal import Logging
internal import Queues
internal import StandardWebhooks
internal import SystemPackage
internal import Values
internal import Webhooks

extension Settings {
    /// Every variable, in the order in which they are shown.
    package static var variables: [Variable] {
        [
            .text("APP_HOST", \.host, "an IP address to listen on") { IPAddress($0) != nil },
            .integer("APP_PORT", \.port, 1...65535),
            .text(
                "SERVER_URL", \.serverURL,
                "the http:// or https:// URL of this service, without user, query and fragment"
            ) { text in
                let url = SettingText.trimmed(text)
                return !text.contains("\n") && (url.isEmpty || !url.contains("?") && (try? TargetURL(url)) != nil)
            },
            Variable(
                name: "ALLOWED_HOSTS",
                expected: "host names separated by commas, such as hooks.example.org or *.example.org, or *",
                set: { settings, text in
                    settings.allowedHosts = text.split(separator: ",").map { SettingText.trimmed(String($0)) }
                    return settings.allowedHosts.allSatisfy { host in
                        let name = host.hasPrefix("*.") ? host.dropFirst(2) : host[...]
                        return host == "*" || (!name.isEmpty && SettingText.isPlain(name))
                    }
                }, show: { $0.allowedHosts.joined(separator: ",") }),
            Variable(
                name: "MOUNT_POINT", expected: "a path of letters, digits and - . _ ~, such as /api",
                set: { settings, text in
                    guard let path = mountPath(text) else { return false }
                    settings.mountPointText = text
                    settings.mountPoint = path
                    return true
                }, show: { $0.mountPoint.isEmpty ? "/" : $0.mountPoint }),
            .flag("INSPECTOR", \.hasInspector),
            .bytes("MAX_ENDPOINT_BYTES", \.limits.bytesPerEndpoint, 1...(1 << 40)),
            .seconds("MAX_IDLE_DURATION_SECONDS", \.limits.idleSeconds),
            .seconds("MAX_DURATION_SECONDS", \.limits.lifetimeSeconds),
            .integer("MAX_ACTIVE_ENDPOINTS", \.limits.endpoints),
            .integer("MAX_ENDPOINT_NOTIFICATIONS", \.limits.notificationsPerEndpoint),
            .flag("ALLOW_NAMED_ENDPOINTS", \.capturePermissions.allowsNames),
            .flag("ALLOW_PINNED_ENDPOINTS", \.capturePermissions.allowsPins),
            .flag("ENDPOINT_FORWARDING", \.capturePermissions.allowsForwarding),
            Variable(
                name: "ENDPOINT_FORWARDING_RETRY_SCHEDULE",
                expected: "durations separated by commas, such as 5s,1m,1h30m",
                set: { settings, text in
                    // An empty schedule means that there is no second attempt.
                    let isNothing = SettingText.trimmed(text).isEmpty
                    guard let waits = isNothing ? [] : waits(text) else { return false }
                    settings.forwardRetrySchedule = waits
                    return true
                }, show: { $0.forwardRetrySchedule.map(GoDuration.text).joined(separator: ",") }),
            .duration("CLEANUP_FREQUENCY_SECONDS", \.cleanupSeconds),
            Variable(
                name: "LOG_LEVEL", expected: "DEBUG, INFO, WARNING, ERROR or CRITICAL",
                set: { settings, text in
                    guard let level = logLevels[text.uppercased()] else { return false }
                    settings.logLevel = level
                    return true
                }, show: { "\($0.logLevel)".uppercased() }),
            .choice("LOG_FORMAT", \.logFormat, "text or json"),
            Variable(
                name: "DATA_DIR", expected: "the path of a directory, without quotes, backslashes and any of *?[]@",
                set: { settings, text in
                    settings.dataDirectory = FilePath(text)
                    return !text.isEmpty && isQuotable(text)
                }, show: { $0.dataDirectory.string }),
            .integer("RESPONDERS", \.responders, 1...256),
            .choice("DURABILITY", \.durability, "disk or process"),
            .bytes("MAX_BODY_BYTES", \.maximumBodyBytes, 1...(1 << 30)),
            .bytes("MAX_HEADER_BYTES", \.maximumHeaderBytes, 1024...(64 << 10)),
            .bytes("JOURNAL_BYTES", \.journalBytes, (1 << 20)...(1 << 30)),
            .bytes("MAX_STORE_BYTES", \.maximumStoreBytes, (16 << 20)...(64 << 40)),
            .integer("MAX_CONNECTIONS", \.maximumConnections, 64...1_000_000),
            .optional(
                "RATE_LIMIT", \.requestsPerSecond,
                "a number of requests per second and address, a whole number from 1 to 1000000"),
            .optional(
                "RATE_LIMIT_BURST", \.requestBurst,
                "a number of requests beyond RATE_LIMIT, a whole number from 1 to 1000000"),
            .optional(
                "CONNECTION_LIMIT", \.connectionsPerAddress,
                "a number of connections per address, a whole number from 1 to 1000000"),
            Variable(
                name: "TRUSTED_PROXIES", expected: "addresses or networks separated by commas, such as 10.0.0.0/8",
                set: { settings, text in
                    settings.trustedProxies = text.split(separator: ",").map { SettingText.trimmed(String($0)) }
                    return settings.trustedProxies.allSatisfy { IPNetwork($0) != nil }
                }, show: { $0.trustedProxies.joined(separator: ",") }),
            .path("TLS_CERTIFICATE") { $0.tls?.certificate },
            .path("TLS_CERTIFICATE_KEY") { $0.tls?.key },
            .path("TLS_CLIENT_CA") { $0.tls?.clientAuthority },
            Variable(
                name: "TLS_CLIENT_VERIFY", expected: "off, optional or on", set: { _, _ in true },
                show: { ($0.tls?.clientVerification ?? .off).rawValue }),
            Variable(
                name: "QUEUE_CONFIG", expected: "the path of a file",
                set: { settings, text in
                    settings.queueFile = FilePath(text)
                    return true
                }, show: { $0.queueFile.string }),
            Variable(
                name: "QUEUE_PASSWORD_HASH",
                expected: "\(DigestAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")) or argon2id",
                set: { settings, text in
                    guard let kind = PasswordHash.Kind(text.lowercased()), kind != .plain else { return false }
                    settings.queuePasswordHash = kind
                    return true
                }, show: { $0.queuePasswordHash.name }),
            .bytes("MAX_MESSAGE_BYTES", \.maximumMessageBytes, 1...(1 << 30)),
            Variable(
                name: "API_SERVER_PORT", expected: "a port from 1 to 65535, or empty",
                set: { settings, text in
                    if text.isEmpty { return true }
                    settings.apiPort = SettingText.integer(text)
                    return settings.apiPort.map { (1...65535).contains($0) } ?? false
                }, show: { $0.apiPort.map(String.init) ?? "" }),
            .timeout("API_SERVER_READ_TIMEOUT", \.apiTimeouts.readSeconds),
            .timeout("API_SERVER_WRITE_TIMEOUT", \.apiTimeouts.writeSeconds),
            .text("OPS_SERVER_HOST", \.operationsHost, "an IP address to listen on") { IPAddress($0) != nil },
            .integer("OPS_SERVER_PORT", \.operationsPort, 0...65535),
            .timeout("OPS_SERVER_READ_TIMEOUT", \.operationsTimeouts.readSeconds),
            .timeout("OPS_SERVER_WRITE_TIMEOUT", \.operationsTimeouts.writeSeconds),
            .optionalText("OPS_EVENTS_URL", \.operationalURL, "an http:// or https:// URL") {
                (try? TargetURL($0)) != nil
            }.hidingQuery(),
            .secret("OPS_EVENTS_SECRET", \.operationalSecret, "whsec_ followed by 24 to 64 bytes in Base64") {
                WebhookSecret($0) != nil
            },
            .flag("DEBUG", \.webhooks.isDebugging),
            .integer("WEBHOOKS_MAX_RETRIES", \.webhookRetries, 0...1000),
            .goDuration("WEBHOOKS_RETRY_INTERVAL", \.webhookRetrySeconds),
            .goDuration("WEBHOOKS_WRITE_TIMEOUT", \.delivery.timeoutSeconds),
            Variable(
                name: "WEBHOOKS_RETRY_SCHEDULE", expected: "durations separated by commas, such as 5s,1m,1h30m",
                set: { settings, text in
                    if text.isEmpty { return true }
                    settings.webhookRetrySchedule = waits(text)
                    return settings.webhookRetrySchedule != nil
                },
                show: { $0.webhookRetrySchedule.map { $0.map(GoDuration.text).joined(separator: ",") } ?? "" }),
            .choice(
                "WEBHOOKS_SIGNATURE_ALGORITHM", \.webhookSignatureAlgorithm,
                "one of \(SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))"),
            .text(
                "WEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_HEADER", \.webhooks.signatureHeader,
                "the name of a header that has no other use", isSignatureHeader
            ).alias("WEBHOOKS_SIGNATURE_HEADER"),
            .text(
                "WEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_TIMESTAMP_HEADER", \.webhooks.signatureTimestampHeader,
                "the name of a header that has no other use", isSignatureHeader
            ).alias("WEBHOOKS_SIGNATURE_TIMESTAMP_HEADER"),
            Variable(
                name: "WEBHOOKS_ROTATION_OVERLAP", expected: "a duration from 0 to 168h, such as 24h",
                set: { settings, text in
                    guard let value = GoDuration.seconds(SettingText.trimmed(text)), value <= 7 * 86_400 else {
                        return false
                    }
                    settings.webhooks.rotationSeconds = value
                    return true
                }, show: { GoDuration.text($0.webhooks.rotationSeconds) }),
            .flag("WEBHOOKS_HTTPS_ONLY", \.webhooksAreHTTPSOnly),
            .flag("WEBHOOKS_DISABLE_ON_GONE", \.delivery.disablesOnGone),
            .goDuration("WEBHOOKS_RETENTION", \.webhookRetentionSeconds),
            .bytes("WEBHOOKS_LOG_BYTES", \.webhookLogBytes, (1 << 20)...(64 << 40)),
            Variable(
                name: "DELIVERY_ALLOW_SUBNETS", expected: "networks separated by commas, such as 127.0.0.0/8",
                set: { settings, text in
                    let networks = text.split(separator: ",").map { IPNetwork(SettingText.trimmed(String($0))) }
                    settings.allowedSubnets = networks.compactMap { $0 }
                    return !networks.contains(nil)
                }, show: { $0.allowedSubnets.map(\.description).joined(separator: ",") }),
            Variable(
                name: "PROJECT_MANAGEMENT_API_URI",
                expected: "an http:// or https:// URL without user, query and fragment",
                set: { settings, text in
                    if text.isEmpty { return true }
                    settings.projectManagementURL = text
                    return !text.contains("?") && (try? TargetURL(text)) != nil
                }, show: { $0.projectManagementURL ?? "" }),
            Variable(
                name: "KAFKA_BROKERS", expected: "host names or addresses separated by commas, such as kafka:9092",
                set: { settings, text in
                    settings.kafka.brokers = text.split(separator: ",", omittingEmptySubsequences: false)
                        .map { SettingText.trimmed(String($0)) }
                    if SettingText.trimmed(text).isEmpty { settings.kafka.brokers = [] }
                    return settings.kafka.brokers.allSatisfy(KafkaSettings.isBroker)
                }, show: { $0.kafka.brokers.joined(separator: ",") }),
            .text(
                "KAFKA_TOPIC_PREFIX", \.kafka.topicPrefix, "up to 180 letters, digits and - . _",
                KafkaSettings.isTopicPrefix),
            .integer("KAFKA_TOPIC_REPLICATION_FACTOR", \.kafka.replicationFactor, 1...32767),
            .bytes("KAFKA_CONSUMER_FETCH_BYTES", \.kafka.fetchBytes, 1024...(512 << 20)),
            Variable(
                name: "KAFKA_CONSUMER_FETCH_FREQUENCY", expected: "a duration from 1ms to 30s, such as 250ms",
                set: { settings, text in
                    guard let value = GoDuration.seconds(SettingText.trimmed(text)), (0.001...30).contains(value) else {
                        return false
                    }
                    settings.kafka.fetchSeconds = value
                    return true
                }, show: { GoDuration.text($0.kafka.fetchSeconds) }),
            .secret("DB_ENCRYPTION_SECRET", \.encryptionSecret, "exactly 32 bytes") {
                $0.utf8.count == 32
            },
            .address(of: "DB_URI"),
            .text("DB_AUTH_USER", \.databaseUser, "1 to 63 bytes without control characters", isIdentifier),
            .secret("DB_AUTH_PASS", \.databasePassword, "text without control characters", isPrintable),
            .text("DB_DATABASE", \.databaseName, "1 to 63 bytes without control characters", isIdentifier),
            .text("ENV", \.environmentName, "1 to 64 letters, digits and - . _") {
                (1...64).contains($0.utf8.count) && SettingText.isPlain($0)
            },
            .text("POD_IP", \.podAddress, "an IP address") { IPAddress($0) != nil },
            .text("POD_NAME", \.podName, "1 to 253 letters, digits and - . _") {
                (1...253).contains($0.utf8.count) && SettingText.isPlain($0)
            },
            Variable(
                name: "TZ", expected: "a time zone such as America/Montreal",
                set: { settings, text in
                    settings.timeZone = text.isEmpty ? universalTime : text
                    return ZoneDatabase.has(settings.timeZone)
                }, show: { $0.timeZone }),
        ] + kafkaSecurityVariables + eventVariables + [
            .duration("SHUTDOWN_SECONDS", \.shutdownSeconds),
            Variable(
                name: "NGINX", expected: "the absolute path of nginx",
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

    /// Whether signatures may be sent in a header of this name: a field name (RFC 9110, section 5.1) that has no other use.
    private static func isSignatureHeader(_ text: String) -> Bool {
        isFieldName(text) && WebhookSettings.mayHaveSignature(text)
    }

    private static func isFieldName(_ text: String) -> Bool { HTTPField.Name(text) != nil }

    private static func isPrintable(_ text: String) -> Bool { text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } }

    /// Whether PostgreSQL accepts the text as a name.
    private static func isIdentifier(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count) && isPrintable(text)
    }

    /// Whether nginx reads the text between double quotes unchanged.
    static func isQuotable(_ text: String) -> Bool { !text.contains { "\"\\\n*?[]@".contains($0) } }

    /// The mount point with one slash before each segment and none at its end; `nil` if the text is not valid.
    private static func mountPath(_ text: String) -> String? {
        var path = ""
        for segment in SettingText.trimmed(text).split(separator: "/") {
            guard SettingText.isPlain(segment.replacing("~", with: "")), segment != ".", segment != ".." else {
                return nil
            }
            path += "/\(segment)"
        }
        return path
    }
}
