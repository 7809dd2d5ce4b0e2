import Linux
import SystemPackage
import TestSupport
import Testing

@testable import PostroomService

/// Errors and warnings about settings, and the output of `postroom settings`.
@Suite struct SettingsFeedbackTests {
    private func faults(_ environment: [String: String]) -> [String] {
        do throws(SettingErrors) {
            _ = try Settings(environment: environment)
            return []
        } catch {
            return error.faults.map(\.description)
        }
    }

    private func warnings(_ environment: [String: String]) throws -> [String] {
        try Settings(environment: environment).warnings(environment)
    }

    @Test func `all errors are reported at once`() {
        let found = faults([
            "APP_PORT": "x", "RESPONDERS": "0", "KAFKA_SECURITY_PROTOCOL": "tls", "USER_SOURCE": "basic",
            "TLS_CERTIFICATE": "/nowhere", "TLS_CLIENT_VERIFY": "maybe",
        ])
        let names = found.map { String($0.prefix { $0 != " " }) }
        #expect(
            Set(names) == [
                "APP_PORT", "RESPONDERS", "KAFKA_SECURITY_PROTOCOL", "USER_FILE", "TLS_CERTIFICATE",
                "TLS_CLIENT_VERIFY",
            ])
        #expect(found.count == 6)
    }

    @Test(
        arguments: [
            ("SERVER_URL", "foo"), ("SERVER_URL", "ftp://x/"), ("SERVER_URL", "http://x/#a"), ("SERVER_URL", "http://"),
            ("SERVER_URL", "http://x:99999"),
            ("EVENTS_RETRY_SCHEDULE", "5s,-1s"), ("WEBHOOKS_RETRY_SCHEDULE", "-1s"),
            ("WEBHOOKS_RETRY_INTERVAL", "-1s"), ("WEBHOOKS_WRITE_TIMEOUT", "-1s"), ("WEBHOOKS_RETENTION", "-1h"),
            ("SHUTDOWN_SECONDS", "-1"), ("API_SERVER_READ_TIMEOUT", "-5s"), ("API_SERVER_WRITE_TIMEOUT", "0"),
            ("OPS_SERVER_READ_TIMEOUT", "5"), ("OPS_SERVER_WRITE_TIMEOUT", "25h"),
        ])
    func `a setting that cannot work is refused`(name: String, value: String) {
        let found = faults([name: value])
        #expect(found.count == 1 && found[0].hasPrefix("\(name) is \"\(value)\", but must be "))
    }

    @Test(
        arguments: [
            (["OPS_SERVER_PORT": "8080"], "OPS_SERVER_PORT is \"8080\", but must be another port than APP_PORT"),
            (
                ["APP_PORT": "9", "API_SERVER_PORT": "3616", "APP_HOST": "0.0.0.0"],
                "OPS_SERVER_PORT is \"3616\", but must be another port than API_SERVER_PORT"
            ),
            (
                ["OPS_EVENTS_URL": "http://10.0.0.1/"],
                "OPS_EVENTS_URL is \"http://10.0.0.1/\", but must be a URL that may"
            ),
            (
                ["USER_FILE": "/dev/null"],
                "USER_FILE is \"/dev/null\", but has no effect unless USER_SOURCE is basic"
            ),
            (
                ["WEBHOOKS_SIGNATURE_HEADER": "X-A", "WEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_HEADER": "X-B"],
                "WEBHOOKS_SIGNATURE_HEADER is \"X-A\", but must be the same as WEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE"
            ),
        ])
    func `settings that exclude each other are refused`(environment: [String: String], beginning: String) {
        let found = faults(environment)
        #expect(found.count == 1 && found[0].hasPrefix(beginning), "\(found)")
    }

    @Test func `equal ports on different addresses are accepted`() {
        #expect(faults(["OPS_SERVER_PORT": "8080", "OPS_SERVER_HOST": "127.0.0.2"]) == [])
        #expect(faults(["OPS_SERVER_PORT": "8080", "OPS_SERVER_HOST": "::1"]) == [])
    }

    @Test func `the URL of operational events must have an address that may be called`() {
        #expect(faults(["OPS_EVENTS_URL": "http://10.0.0.1/", "DELIVERY_ALLOW_SUBNETS": "10.0.0.0/8"]) == [])
        #expect(faults(["OPS_EVENTS_URL": "http://localhost:9/"]).count == 1)
        #expect(faults(["OPS_EVENTS_URL": "http://localhost/", "DELIVERY_ALLOW_SUBNETS": "::1/128"]) == [])
    }

    @Test(
        arguments: [
            ("OPS_EVENTS_URL", "http://user:s3cret@1.1.1.1/"), ("OPS_EVENTS_URL", "htp://user:s3cret@x/?t=s3cret"),
            ("SERVER_URL", "https://user:s3cret@x/"), ("POLICY_URL", "http://user:s3/s3cret@x/"),
            ("PROJECT_MANAGEMENT_API_URI", "http://x/?token=s3cret"), ("DB_URI", "postgres://user:s3cret@x/db"),
            ("PROJECT_MANAGEMENT_API_URI", "http://s3cret@x/"), ("SERVER_URL", "http://x/?s3cret"),
            ("DB_URI", "host=x user=y password=s3cret"), ("APP_HOST", "user:s3cret@x"),
        ])
    func `an error does not repeat a password`(name: String, value: String) {
        let found = faults([name: value])
        #expect(found.count == 1 && found[0].hasPrefix(name) && !found[0].contains("s3cret"), "\(found)")
    }

    @Test(
        arguments: [
            (["RESPONDER": "2"], "RESPONDER is not a setting and has no effect; did you mean RESPONDERS?"),
            (
                ["WEBHOOK_MAX_RETRIES": "2"],
                "WEBHOOK_MAX_RETRIES is not a setting and has no effect; did you mean WEBHOOKS_MAX_RETRIES?"
            ),
            (["app_port": "2"], "app_port is not a setting and has no effect; did you mean APP_PORT?"),
            (["RESPODNERS": "2"], "RESPODNERS is not a setting and has no effect; did you mean RESPONDERS?"),
            (
                ["MAX_ENDPOINT_BYTES": "1000"],
                "MAX_BODY_BYTES is 26214400, above the 1000 of MAX_ENDPOINT_BYTES: no endpoint accepts a longer body"
            ),
            (
                ["MAX_DURATION_SECONDS": "-5"],
                "MAX_DURATION_SECONDS is -5.0: each endpoint is removed at the next cleanup"
            ),
            (["MAX_ACTIVE_ENDPOINTS": "-1"], "MAX_ACTIVE_ENDPOINTS is -1: no endpoint can be created"),
            (
                ["MAX_ENDPOINT_NOTIFICATIONS": "0"],
                "MAX_ENDPOINT_NOTIFICATIONS is 0: no endpoint accepts a notification"
            ),
            (["USER_HEADER": "X-User"], "USER_HEADER has no effect: USER_SOURCE is none, not header"),
            (["EVENTS_ALLOWED_RATE": "5"], "EVENTS_ALLOWED_RATE has no effect without EVENTS_ALLOWED_ORIGINS"),
        ])
    func `a probable mistake gives a warning`(environment: [String: String], text: String) throws {
        #expect(try warnings(environment) == [text])
    }

    @Test func `variables of other programs and correct settings give no warning`() throws {
        let others = [
            "PATH", "HOME", "USER", "LANG", "LC_ALL", "TERM", "SHELL", "PWD", "HOSTNAME", "LOGNAME", "MAIL", "EDITOR",
            "NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "KUBERNETES_SERVICE_HOST",
            "KAFKA_SERVICE_HOST", "KAFKA_PORT_9092_TCP", "POSTROOM_PORT", "POD_UID", "NODE_NAME", "SSH_TTY", "DISPLAY",
            "LD_PRELOAD", "GODEBUG", "DEBUGINFOD_URLS", "TEMP", "TMPDIR", "XDG_DATA_DIRS", "PKG_CONFIG_PATH",
        ]
        let environment = Dictionary(uniqueKeysWithValues: others.map { ($0, "x") })
        #expect(try warnings(environment) == [])
        #expect(try warnings(["WEBHOOKS_SIGNATURE_HEADER": "X-A"]) == [])
        let shown = Settings.variables.map { ($0.name, $0.show(Settings())) }
        #expect(try warnings(Dictionary(uniqueKeysWithValues: shown)) == [])
    }

    @Test(arguments: [("", "", 0), ("ab", "ba", 1), ("abc", "abd", 1), ("abc", "ac", 1), ("abcd", "badc", 2)])
    func `the edit distance counts changed, missing and swapped characters`(one: String, other: String, distance: Int) {
        #expect(Settings.editDistance(one, other) == distance && Settings.editDistance(other, one) == distance)
    }

    @Test func `a signature header can be set by its documented name and by the short one`() throws {
        for (name, other) in [
            ("WEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_HEADER", "WEBHOOKS_SIGNATURE_HEADER"),
            ("WEBHOOKS_PUBLIC_VERIFICATION_KEY_SIGNATURE_TIMESTAMP_HEADER", "WEBHOOKS_SIGNATURE_TIMESTAMP_HEADER"),
        ] {
            let documented = try Settings(environment: [name: "X-Mine"])
            #expect(documented != Settings())
            #expect(try Settings(environment: [other: "X-Mine"]) == documented)
            #expect(try Settings(environment: [other: "X-Mine", name: "X-Mine"]) == documented)
            #expect(faults([other: "a b"]).first?.hasPrefix("\(other) is \"a b\"") == true)
        }
    }

    @Test func `with TLS the URLs of endpoints are https, unless SERVER_URL says otherwise`() throws {
        try withTemporaryDirectory { directory in
            let file = directory.appending("file").string
            try Files.replace(FilePath(file), with: [])
            let tls = ["TLS_CERTIFICATE": file, "TLS_CERTIFICATE_KEY": file]
            #expect(try Settings(environment: tls).webhookURL == "https://localhost:8080/webhook/")
            let plain = tls.merging(["SERVER_URL": "http://inside.example"]) { $1 }
            #expect(try Settings(environment: plain).webhookURL == "http://inside.example/webhook/")
            #expect(try Settings(environment: plain).warnings(plain).count == 1)
        }
    }

    @Test func `the timeouts are passed to nginx`() throws {
        let settings = try Settings(environment: [
            "API_SERVER_READ_TIMEOUT": "1.5s", "API_SERVER_WRITE_TIMEOUT": "2m", "OPS_SERVER_READ_TIMEOUT": "3s",
            "OPS_SERVER_WRITE_TIMEOUT": "4s",
        ])
        let text = NginxFiles(settings: settings, templates: "").fill("@API_TIMEOUTS@|@OPERATIONS@", workerUser: nil)
        let parts = text.split(separator: "|")
        #expect(parts[0] == "client_header_timeout 1500ms; client_body_timeout 1500ms; send_timeout 120000ms;")
        #expect(parts[1].contains("client_header_timeout 3000ms; client_body_timeout 3000ms; send_timeout 4000ms;"))
        let defaults = NginxFiles(settings: Settings(), templates: "").fill("@API_TIMEOUTS@", workerUser: nil)
        #expect(defaults == "client_header_timeout 5000ms; client_body_timeout 5000ms; send_timeout 10000ms;")
    }

    /// Reads printed lines as systemd's EnvironmentFile and a shell do.
    private func read(_ lines: [String]) -> [String: String] {
        var environment: [String: String] = [:]
        for line in lines where !line.hasPrefix("#") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            var value = ""
            var isEscaped = false
            for character in line[line.index(after: equals)...].unicodeScalars {
                if isEscaped || character != "\\" && character != "\"" { value.unicodeScalars.append(character) }
                isEscaped = !isEscaped && character == "\\"
            }
            environment[String(line[..<equals])] = value
        }
        return environment
    }

    @Test func `printed settings can be read back`() throws {
        let given = [
            "APP_HOST": "::1", "APP_PORT": " 9_000", "SERVER_URL": "https://[::1]:99/base", "MOUNT_POINT": "/api",
            "RATE_LIMIT": "5", "DEFAULT_USER": "a \"b\" $c `d` \\e 'f' #g é", "DATA_DIR": "/tmp/some where",
            "EVENTS_RETRY_SCHEDULE": "", "WEBHOOKS_RETRY_SCHEDULE": "250ms,1.5h,90s",
            "TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "EVENTS_ALLOWED_ORIGINS": "*", "EVENTS_ALLOWED_RATE": "", "MAX_IDLE_DURATION_SECONDS": "1e-3",
            "KAFKA_BROKERS": "a:1,[::1]:2", "WEBHOOKS_SIGNATURE_HEADER": "X-Mine", "TZ": "America/Montreal",
            "API_SERVER_READ_TIMEOUT": "1ms", "KAFKA_CONSUMER_FETCH_FREQUENCY": "33ms", "QUEUE_CONFIG": "/x y",
            "USER_SOURCE": "header", "WEBHOOKS_RETENTION": "1h0.1s",
        ]
        for environment in [[:], given] {
            let settings = try Settings(environment: environment)
            let lines = Settings.variables.map { $0.line(settings) }
            let again = try Settings(environment: read(lines))
            #expect(again == settings)
            #expect(Settings.variables.map { $0.line(again) } == lines)
        }
    }

    @Test func `secrets are not printed`() throws {
        let environment = [
            "DB_ENCRYPTION_SECRET": String(repeating: "s", count: 32), "OPS_EVENTS_URL": "https://1.1.1.1/?t=s3cret",
        ]
        let settings = try Settings(environment: environment)
        let lines = Settings.variables.map { $0.line(settings) }
        #expect(lines.count { $0.hasPrefix("#") } == 2)
        #expect(!lines.contains { $0.contains("s3cret") || $0.contains("ssss") || $0.contains("(set)") })
        #expect(try Settings(environment: read(lines)).encryptionSecret == nil)
    }
}
