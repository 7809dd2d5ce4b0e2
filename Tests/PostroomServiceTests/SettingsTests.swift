import Capture
import DeliveryEngine
import Linux
import Logging
import SystemPackage
import TestSupport
import Testing
import Webhooks

@testable import PostroomService

@Suite struct SettingsTests {
    private func refusal(_ environment: [String: String]) -> String? {
        do throws(SettingErrors) {
            _ = try Settings(environment: environment)
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `without variables the defaults apply`() throws {
        #expect(try Settings(environment: [:]) == Settings())
        #expect(try Settings(environment: ["SOMETHING_ELSE": "x"]) == Settings())
        #expect(Settings().webhookURL == "http://localhost:8080/webhook/")
    }

    @Test(
        arguments: [
            ("/", "", "/"), ("", "", ""), ("api", "/api", "api"), (" /api/ ", "/api", " /api/ "),
            ("//a//b/", "/a/b", "//a//b/"), ("/a-b_c.d~1", "/a-b_c.d~1", "/a-b_c.d~1"),
        ])
    func `a mount point is a path with one slash before each part`(text: String, path: String, shown: String) throws {
        let settings = try Settings(environment: ["MOUNT_POINT": text, "SERVER_URL": "http://x/"])
        #expect(settings.mountPoint == path)
        #expect(settings.mountPointText == shown)
        #expect(settings.webhookURL == "http://x\(path)/webhook/")
    }

    @Test(
        arguments: [
            ("APP_HOST", "localhost"), ("APP_HOST", ""), ("APP_HOST", "127.0.0.1;"), ("APP_PORT", "0"),
            ("APP_PORT", "65536"), ("APP_PORT", "x"), ("MOUNT_POINT", "/a b"),
            ("MOUNT_POINT", "/.."), ("MOUNT_POINT", "/a/./b"), ("MOUNT_POINT", "/é"), ("MOUNT_POINT", "/a;b"),
            ("MAX_IDLE_DURATION_SECONDS", "nan"),
            ("CLEANUP_FREQUENCY_SECONDS", "0"), ("CLEANUP_FREQUENCY_SECONDS", "-1"), ("LOG_LEVEL", "LOUD"),
            ("LOG_FORMAT", "xml"), ("DATA_DIR", ""), ("DATA_DIR", "a\nb"),
            ("RESPONDERS", "0"), ("RESPONDERS", "257"), ("DURABILITY", "none"), ("MAX_BODY_BYTES", "0"),
            ("MAX_BODY_BYTES", "2g"), ("MAX_HEADER_BYTES", "1"),
            ("MAX_STORE_BYTES", "1m"), ("MAX_CONNECTIONS", "1"), ("RATE_LIMIT", "0"), ("RATE_LIMIT", "1.5"),
            ("CONNECTION_LIMIT", "-1"), ("TRUSTED_PROXIES", "example.com"),
            ("TRUSTED_PROXIES", "10.0.0.0/129"), ("TRUSTED_PROXIES", "10.0.0.0/8;"), ("TRUSTED_PROXIES", "10.0.0.0/+8"),
            ("TLS_CERTIFICATE", "/nowhere/at/all"), ("TLS_CERTIFICATE_KEY", "/dev/null"),
            ("TLS_CLIENT_CA", "/dev/null"), ("TLS_CLIENT_VERIFY", "maybe"), ("SHUTDOWN_SECONDS", "0"),
            ("NGINX", "nginx"), ("SERVER_URL", "http://x\n"),
            ("SHUTDOWN_SECONDS", "1e300"), ("CLEANUP_FREQUENCY_SECONDS", "1e300"),
            ("WEBHOOKS_ROTATION_OVERLAP", "169h"), ("WEBHOOKS_ROTATION_OVERLAP", "-1h"),
            ("WEBHOOKS_ROTATION_OVERLAP", "24"), ("KAFKA_BROKERS", "kafka:"), ("KAFKA_BROKERS", "kafka:0"),
            ("KAFKA_BROKERS", "a,,b"), ("KAFKA_BROKERS", "a;b"), ("KAFKA_BROKERS", "[::1"),
            ("KAFKA_TOPIC_PREFIX", "a b"), ("KAFKA_TOPIC_REPLICATION_FACTOR", "0"),
            ("KAFKA_CONSUMER_FETCH_BYTES", "1"), ("KAFKA_CONSUMER_FETCH_FREQUENCY", "0"),
            ("KAFKA_CONSUMER_FETCH_FREQUENCY", "31s"), ("ENV", ""), ("ENV", "a b"), ("POD_NAME", "pod;"),
            ("POD_IP", "localhost"), ("TZ", "America/Nowhere"), ("TZ", "../../../etc/localtime"), ("TZ", "America"),
            ("TZ", "/dev/zero"), ("OPS_EVENTS_URL", "ftp://x/"), ("DB_AUTH_USER", ""), ("DB_DATABASE", "a\nb"),
            ("DB_URI", "localhost"), ("PROJECT_MANAGEMENT_API_URI", "localhost:8101/api"),
        ])
    func `an invalid setting is refused with its name and what is accepted`(name: String, value: String) throws {
        let text = try #require(refusal([name: value]))
        let beginning = "\(name) is \"\(value)\", but "
        #expect(["must be ", "has no effect without "].contains { text.hasPrefix(beginning + $0) })
    }

    @Test(
        arguments: [
            (["RATE_LIMIT_BURST": "5"], "RATE_LIMIT_BURST", "has no effect without RATE_LIMIT"),
            (
                ["WEBHOOKS_SIGNATURE_HEADER": "X-A", "WEBHOOKS_SIGNATURE_TIMESTAMP_HEADER": "x-a"],
                "WEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_TIMESTAMP_HEADER",
                "must be another header than that of the signature"
            ),
            (["TLS_CLIENT_VERIFY": "on"], "TLS_CLIENT_VERIFY", "has no effect without TLS_CERTIFICATE"),
            (["TLS_CLIENT_CA": "/dev/null"], "TLS_CLIENT_CA", "has no effect without TLS_CERTIFICATE"),
        ])
    func `a setting that needs or excludes another one is refused`(
        environment: [String: String], name: String, reason: String
    ) throws {
        let text = try #require(refusal(environment))
        #expect(text.hasPrefix("\(name) is \"") && text.hasSuffix(", but \(reason)"))
    }

    @Test func `settings are read in every form that is accepted`() throws {
        let settings = try Settings(environment: [
            "APP_HOST": "::", "APP_PORT": "9000", "MAX_IDLE_DURATION_SECONDS": "1.5", "MAX_DURATION_SECONDS": "-1",
            "MAX_ACTIVE_ENDPOINTS": "1_0",
            "MAX_ENDPOINT_NOTIFICATIONS": "-5", "LOG_LEVEL": "warn", "LOG_FORMAT": "JSON", "DURABILITY": "Process",
            "MAX_BODY_BYTES": "2m",
            "TRUSTED_PROXIES": "10.0.0.0/8, ::1", "RATE_LIMIT": "", "CONNECTION_LIMIT": "7", "NGINX": "/opt/nginx",
        ])
        #expect(settings.serverURL == "http://localhost:9000")
        #expect(
            settings.limits
                == CaptureLimits(endpoints: 10, notificationsPerEndpoint: -5, idleSeconds: 1.5, lifetimeSeconds: -1))
        #expect(settings.logLevel == .warning && settings.logFormat == .json && settings.durability == .process)
        #expect(settings.maximumBodyBytes == 2 << 20)
        #expect(settings.trustedProxies == ["10.0.0.0/8", "::1"])
        #expect(settings.requestsPerSecond == nil && settings.connectionsPerAddress == 7)
    }

    @Test func `a broker is a name or an address, with or without a port`() throws {
        let text = "kafka, kafka-1.example:9092 ,10.0.0.1:9092,[::1]:9092,[fe80::1]"
        let settings = try Settings(environment: ["KAFKA_BROKERS": text]).kafka
        let brokers = ["kafka", "kafka-1.example:9092", "10.0.0.1:9092", "[::1]:9092", "[fe80::1]"]
        #expect(settings.brokers == brokers)
        #expect(try Settings(environment: ["KAFKA_BROKERS": ""]).kafka.brokers == [])
    }

    @Test(
        arguments: [
            ([:], 1 << 20), (["MAX_BODY_BYTES": "2k"], 2048), (["MAX_BODY_BYTES": "100m"], 1 << 20),
            (["KAFKA_CONSUMER_FETCH_BYTES": "10m"], 10 << 20), (["KAFKA_CONSUMER_FETCH_BYTES": "64k"], 1 << 20),
            (["KAFKA_CONSUMER_FETCH_BYTES": "10m", "MAX_BODY_BYTES": "3m"], 3 << 20),
        ] as [([String: String], Int)])
    func `events from Kafka have a limit of their own within that of bodies`(
        environment: [String: String], limit: Int
    ) throws {
        let settings = try Settings(environment: environment)
        #expect(settings.kafka.eventLimit(bodyLimit: settings.maximumBodyBytes) == limit)
    }

    @Test(arguments: [("", 86_400.0), ("90m", 5400), ("0", 0), ("168h", 604_800)])
    func `responders and the worker have the same overlap of keys`(text: String, seconds: Double) throws {
        let settings = try Settings(environment: text.isEmpty ? [:] : ["WEBHOOKS_ROTATION_OVERLAP": text])
        #expect(settings.webhooks.rotationSeconds == seconds && settings.delivery.overlapSeconds == seconds)
    }

    @Test(
        arguments: [
            ("true", true), ("TRUE", true), ("1", true), ("on", true), ("false", false), ("0", false), ("Off", false),
            ("yes", nil), ("", nil), (" on", nil),
        ] as [(String, Bool?)])
    func `a flag is true, false, on, off, 1 or 0`(text: String, value: Bool?) {
        #expect((try? Settings(environment: ["INSPECTOR": text]))?.hasInspector == value)
        #expect((try? Settings(environment: ["DEBUG": text]))?.webhooks.isDebugging == value)
    }

    @Test(arguments: [("DB_AUTH_PASS", "one\ntwo"), ("DB_ENCRYPTION_SECRET", "too short")])
    func `a secret is not shown, whether it is valid or not`(name: String, wrong: String) throws {
        let text = try #require(refusal([name: wrong]))
        #expect(text.hasPrefix("\(name) is \"…\", but must be "))
        let secret = String(repeating: "s", count: 32)
        let settings = try Settings(environment: [name: secret])
        let shown = Settings.variables.map { $0.show(settings) }
        #expect(shown.contains("(set)") && !shown.contains { $0.contains(secret) })
    }

    @Test(
        arguments: [
            (["KAFKA_SASL_USERNAME": "u"], "KAFKA_SASL_USERNAME is \"u\", but has no effect unless"),
            (
                ["KAFKA_SECURITY_PROTOCOL": "ssl", "KAFKA_SASL_PASSWORD": "p"],
                "KAFKA_SASL_PASSWORD is \"…\", but has no effect"
            ),
            (["KAFKA_SECURITY_PROTOCOL": "sasl_ssl"], "KAFKA_SASL_USERNAME is \"\", but is required by"),
            (["KAFKA_SECURITY_PROTOCOL": "sasl_ssl", "KAFKA_SASL_USERNAME": "u"], "KAFKA_SASL_PASSWORD is \"\", but"),
            (["KAFKA_SSL_CA_LOCATION": "/dev/null"], "KAFKA_SSL_CA_LOCATION is \"/dev/null\", but has no effect"),
            (["KAFKA_SSL_CA_LOCATION": "/nowhere"], "KAFKA_SSL_CA_LOCATION is \"/nowhere\", but must be the path"),
            (
                ["KAFKA_SECURITY_PROTOCOL": "ssl", "KAFKA_SSL_KEY_LOCATION": "/dev/null"],
                "KAFKA_SSL_CERTIFICATE_LOCATION is"
            ),
            (
                ["KAFKA_SECURITY_PROTOCOL": "tls"],
                "KAFKA_SECURITY_PROTOCOL is \"tls\", but must be plaintext, ssl, sasl_plaintext or"
            ),
            (
                ["KAFKA_SASL_MECHANISM": "GSSAPI"],
                "KAFKA_SASL_MECHANISM is \"GSSAPI\", but must be PLAIN, SCRAM-SHA-256 or"
            ),
        ])
    func `settings of Kafka that do not fit together are refused`(environment: [String: String], text: String) {
        #expect(refusal(environment)?.hasPrefix(text) == true)
    }

    @Test func `the settings of Kafka become properties of librdkafka`() throws {
        let security = try Settings(environment: [
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "scram-sha-512", "KAFKA_SASL_USERNAME": "u",
            "KAFKA_SASL_PASSWORD": "p", "KAFKA_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM": "none",
        ]).kafka.security
        let properties = Dictionary(uniqueKeysWithValues: security.properties.map { ($0.name, $0.value) })
        #expect(
            properties == [
                "security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "u",
                "sasl.password": "p", "ssl.endpoint.identification.algorithm": "none",
            ])
        #expect(KafkaSecurity().properties.map(\.value) == ["plaintext"])
    }

    @Test func `the secret of operational events needs their URL`() throws {
        let secret = ["OPS_EVENTS_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        #expect(refusal(secret) == "OPS_EVENTS_SECRET is \"…\", but has no effect without OPS_EVENTS_URL")
        let url = ["OPS_EVENTS_URL": "http://operators.example/"]
        #expect(try Settings(environment: secret.merging(url) { $1 }).operationalURL == "http://operators.example/")
        #expect(refusal(url.merging(["OPS_EVENTS_SECRET": "whsec_AAAA"]) { $1 })?.contains("…") == true)
    }

    @Test(arguments: [("", "UTC"), ("America/Montreal", "America/Montreal"), (":Asia/Kathmandu", ":Asia/Kathmandu")])
    func `a time zone of the database is accepted`(text: String, shown: String) throws {
        #expect(try Settings(environment: ["TZ": text]).timeZone == shown)
    }

    @Test func `each setting accepts its default as it is shown`() throws {
        let settings = Settings()
        for variable in Settings.variables {
            #expect(refusal([variable.name: variable.show(settings)]) == nil, "\(variable.name)")
        }
        #expect(Set(Settings.variables.map(\.name)).count == Settings.variables.count)
    }

    @Test func `a certificate needs its key, and verifying clients needs an authority`() throws {
        try withTemporaryDirectory { directory in
            let file = directory.appending("file").string
            try Files.replace(FilePath(file), with: [])
            #expect(refusal(["TLS_CERTIFICATE": file])?.hasPrefix("TLS_CERTIFICATE_KEY") == true)
            let pair = ["TLS_CERTIFICATE": file, "TLS_CERTIFICATE_KEY": file]
            #expect(try Settings(environment: pair).tls?.clientVerification == .off)
            #expect(refusal(pair.merging(["TLS_CLIENT_VERIFY": "on"]) { $1 })?.hasPrefix("TLS_CLIENT_VERIFY") == true)
            let all = pair.merging(["TLS_CLIENT_CA": file]) { $1 }
            #expect(try Settings(environment: all).tls?.clientVerification == .on)
            #expect(
                try Settings(environment: all.merging(["TLS_CLIENT_VERIFY": "optional"]) { $1 }).tls?.clientVerification
                    == .optional)
            #expect(try Settings(environment: ["TLS_CERTIFICATE": "", "TLS_CLIENT_VERIFY": ""]).tls == nil)
        }
    }
}
