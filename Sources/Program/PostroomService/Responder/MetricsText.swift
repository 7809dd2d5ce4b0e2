internal import Delivery

/// Writes metrics in the text format of Prometheus. Each name begins with `postroom_`.
struct MetricsText {
    private(set) var text = ""

    mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP postroom_\(name) \(help)\n# TYPE postroom_\(name) \(type)\n"
    }

    mutating func sample(_ name: String, _ labels: [(String, String)], _ value: some BinaryInteger) {
        sample(name, labels, text: "\(value)")
    }

    mutating func sample(_ name: String, _ labels: [(String, String)], text value: String) {
        let inner = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
        text += "postroom_\(name)\(inner.isEmpty ? "" : "{\(inner)}") \(value)\n"
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    mutating func single(_ name: String, _ type: String, _ help: String, _ value: some BinaryInteger) {
        family(name, type, help)
        sample(name, [], value)
    }

    mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        family(name, "histogram", help)
        samples(name, [], Histogram.bounds, histogram.counts, microseconds: histogram.microseconds)
    }

    /// The samples of one histogram.
    /// - Parameter counts: the count of each bucket, one more than there are bounds: the last is that above all bounds.
    mutating func samples(
        _ name: String, _ labels: [(String, String)], _ bounds: [Double], _ counts: [UInt64], microseconds: UInt64
    ) {
        var sum: UInt64 = 0
        for (bound, count) in zip(bounds, counts) {
            sum += count
            sample("\(name)_bucket", labels + [("le", "\(bound)")], sum)
        }
        sum += counts.last ?? 0
        sample("\(name)_bucket", labels + [("le", "+Inf")], sum)
        sample("\(name)_sum", labels, text: "\(Double(microseconds) / 1e6)")
        sample("\(name)_count", labels, sum)
    }
}

extension MetricsText {
    /// Adds the counters that all responders share.
    mutating func add(_ counters: ServiceCounters) {
        family(
            "requests_total", "counter",
            "Requests that responders have answered, by route and status. Requests that nginx refuses are not counted.")
        let routes = Route.allCases.map { ($0, counters.requests($0)) }
        for (route, requests) in routes {
            for (status, count) in requests where count > 0 {
                sample("requests_total", [("route", route.pattern), ("status", status)], count)
            }
        }
        family(
            "request_duration_seconds", "histogram",
            "From the time when a responder has read a request to its response, including the time that it waits."
        )
        for (route, requests) in routes where requests.contains(where: { $0.count > 0 }) {
            let durations = counters.durations(route)
            samples(
                "request_duration_seconds", [("route", route.pattern)], ServiceCounters.bounds, durations.counts,
                microseconds: durations.microseconds)
        }
    }
}
