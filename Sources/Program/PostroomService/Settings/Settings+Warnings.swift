internal import Capture
internal import Events

/// Warnings about settings that are valid but hardly intended. They are logged at a start, and shown by `postroom settings`.
extension Settings {
    /// - Parameter environment: the variables that the settings were read from.
    /// - Returns: one line for each warning.
    package func warnings(_ environment: [String: String]) -> [String] {
        var found: [String] = []
        if limits.bytesPerEndpoint < maximumBodyBytes {
            found.append(
                "MAX_BODY_BYTES is \(maximumBodyBytes), above the \(limits.bytesPerEndpoint) of MAX_ENDPOINT_BYTES: "
                    + "no endpoint accepts a longer body")
        }
        for (name, value) in [
            ("MAX_IDLE_DURATION_SECONDS", limits.idleSeconds), ("MAX_DURATION_SECONDS", limits.lifetimeSeconds),
        ] where value <= 0 {
            found.append("\(name) is \(value): each endpoint is removed at the next cleanup")
        }
        if limits.endpoints <= 0 {
            found.append("MAX_ACTIVE_ENDPOINTS is \(limits.endpoints): no endpoint can be created")
        }
        if limits.notificationsPerEndpoint <= 0 {
            found.append(
                "MAX_ENDPOINT_NOTIFICATIONS is \(limits.notificationsPerEndpoint): no endpoint accepts a notification")
        }
        let hasUserHeader =
            events.userHeader != Settings().events.userHeader || pacifica.values["USER_HEADER"] != nil
        if events.userSource != .header, hasUserHeader {
            found.append("USER_HEADER has no effect: USER_SOURCE is \(events.userSource.rawValue), not header")
        }
        if events.allowedRate != nil, events.allowedOrigins.isEmpty {
            found.append("EVENTS_ALLOWED_RATE has no effect without EVENTS_ALLOWED_ORIGINS")
        }
        if tls != nil, serverURL.lowercased().hasPrefix("http://") {
            found.append(
                "SERVER_URL begins with http://, but this service uses TLS: the URLs that it gives out may not work")
        }
        return found + Self.nearlyKnown(environment.keys)
    }

    /// Warnings about variables that are not settings, but have almost the name of one.
    static func nearlyKnown(_ names: some Sequence<String>) -> [String] {
        let known = variables.flatMap { [$0.name] + ($0.alias.map { [$0] } ?? []) }
        let all = Set(known)
        return names.filter { !all.contains($0) }.sorted().compactMap { name in
            let distances = known.lazy.filter { $0.utf8.count >= 5 }.map { ($0, editDistance(name.uppercased(), $0)) }
            guard let (nearest, distance) = distances.min(by: { $0.1 < $1.1 }),
                distance <= (nearest.utf8.count >= 9 ? 2 : 1)
            else { return nil }
            return "\(name) is not a setting and has no effect; did you mean \(nearest)?"
        }
    }

    /// How many bytes must be inserted, deleted, replaced or swapped with the next one to turn one text into the other;
    /// `Int.max` if the lengths differ by more than 2.
    static func editDistance(_ one: String, _ other: String) -> Int {
        let (one, other) = (Array(one.utf8), Array(other.utf8))
        // Names that differ this much are not taken for one another.
        guard abs(one.count - other.count) <= 2 else { return .max }
        var rows = [Array(0...other.count)]
        for i in 0..<one.count {
            var row = [i + 1]
            for j in 0..<other.count {
                var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (one[i] == other[j] ? 0 : 1))
                if i > 0, j > 0, one[i] == other[j - 1], one[i - 1] == other[j] {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[one.count][other.count]
    }
}
