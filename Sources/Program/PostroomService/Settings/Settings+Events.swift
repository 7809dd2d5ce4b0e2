internal import Delivery
internal import DeliveryEngine
internal import Events
internal import HTTPTypes
internal import Linux
internal import SystemPackage
internal import Values

/// The settings of event routing.
extension Settings {
    static var eventVariables: [Variable] {
        [
            .text(PacificaSettings.variable, \.pacificaFile, "the path of a file") { _ in true },
            .choice(
                "USER_SOURCE", \.events.userSource,
                "one of \(EventSettings.UserSource.allCases.map(\.rawValue).joined(separator: ", "))"),
            .text("USER_HEADER", \.events.userHeader, "the name of a header") { HTTPField.Name($0) != nil },
            Variable(
                name: "USER_FILE", expected: "the path of a password file, as htpasswd(1) writes it",
                set: { settings, text in
                    settings.userFile = text.isEmpty ? nil : Files.absolute(FilePath(text)) ?? FilePath(text)
                    return isQuotable(text) && !text.contains("$")
                }, show: { $0.userFile?.string ?? "" }),
            .text("DEFAULT_USER", \.events.defaultUser, "1 to 255 bytes") { (1...255).contains($0.utf8.count) },
            Variable(
                name: "POLICY_URL",
                expected: "an http:// or https:// URL without user, query and fragment",
                set: { settings, text in
                    var url = text[...]
                    while url.last == "/" { url.removeLast() }
                    settings.events.policyURL = url.isEmpty ? nil : String(url)
                    return url.isEmpty || !url.contains("?") && (try? TargetURL(String(url))) != nil
                }, show: { $0.events.policyURL ?? "" }),
            Variable(
                name: "EVENTS_RETRY_SCHEDULE", expected: "durations separated by commas, such as 5s,1m,1h30m",
                set: { settings, text in
                    // An empty schedule means that there is no second attempt.
                    let isNothing = SettingText.trimmed(text).isEmpty
                    guard let waits = isNothing ? [] : waits(text) else { return false }
                    settings.delivery.policies.events = .schedule(waits)
                    return true
                },
                show: { settings in
                    guard case .schedule(let waits) = settings.delivery.policies.events else { return "" }
                    return waits.map(GoDuration.text).joined(separator: ",")
                }),
            .integer("EVENTS_MAX_SUBSCRIPTIONS", \.events.subscriptionsPerUser, 1...1_000_000_000),
            .flag("EVENTS_DEDUPLICATE", \.events.deduplicates),
            .bytes("MAX_EVENT_BYTES", \.events.maximumEventBytes, 1024...(1 << 30)),
            Variable(
                name: "EVENTS_ALLOWED_ORIGINS", expected: "host names separated by commas, or *",
                set: { settings, text in
                    settings.events.allowedOrigins = text.split(separator: ",").map { SettingText.trimmed(String($0)) }
                    return settings.events.allowedOrigins.allSatisfy { $0 == "*" || isHost($0) }
                }, show: { $0.events.allowedOrigins.joined(separator: ",") }),
            .optional(
                "EVENTS_ALLOWED_RATE", \.events.allowedRate,
                "a number of events per minute, a whole number from 1 to 1000000"),
            .text("EVENTS_ORIGIN", \.delivery.headers.origin, "a host name", isHost),
        ]
    }

    /// Reads waits in Go's notation, separated by commas; `nil` if one of them is not valid.
    static func waits(_ text: String) -> [Double]? {
        let waits = text.split(separator: ",", omittingEmptySubsequences: false).map {
            GoDuration.seconds(SettingText.trimmed(String($0)))
        }
        return waits.contains(nil) ? nil : waits.compactMap { $0 }
    }

    private static func isHost(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count) && (SettingText.isPlain(text) || IPAddress(text) != nil)
    }

    /// Sets and checks what depends on several variables.
    mutating func readEvents(_ environment: [String: String], _ faults: inout [SettingError]) {
        events.maximumInputBytes = min(maximumBodyBytes, events.maximumInputBytes)
        delivery.approvalURL = events.policyURL
        if let file = userFile, events.userSource != .basic {
            faults.append(
                SettingError(name: "USER_FILE", value: file.string, but: "has no effect unless USER_SOURCE is basic"))
        }
        switch events.userSource {
        case .basic:
            if userFile.map(Files.isReadable) != true {
                faults.append(
                    SettingError(
                        name: "USER_FILE", value: environment["USER_FILE"] ?? "",
                        but: "must be the path of a readable file, because USER_SOURCE is basic"))
            }
        case .certificate:
            if tls?.clientAuthority == nil || tls?.clientVerification == .off {
                faults.append(
                    SettingError(
                        name: "USER_SOURCE", value: "certificate",
                        but: "requires TLS_CLIENT_CA, and TLS_CLIENT_VERIFY not off"))
            }
        case .none, .header: break
        }
        if environment["EVENTS_ORIGIN"] == nil, let host = try? TargetURL(serverURL).host {
            delivery.headers.origin = host
        }
    }
}
