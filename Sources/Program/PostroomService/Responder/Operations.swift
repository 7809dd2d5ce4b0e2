internal import Capture
internal import Delivery
internal import HTTP
internal import HTTPTypes
internal import JSON
internal import Logging
internal import Storage
internal import Values
internal import Webhooks

/// Answers requests at the operations port: liveness, readiness, metrics, the version and, with DEBUG, the settings.
final class Operations {
    private let store: any StorageEngine
    private let settings: Settings
    private let counters: ServiceCounters
    private let started: Timestamp
    private let vitals: Vitals?

    /// - Parameters:
    ///   - started: when the service was started.
    ///   - vitals: the memory that the supervisor shares with this process; `nil` without a supervisor.
    init(
        store: any StorageEngine, settings: Settings, counters: ServiceCounters, started: Timestamp, vitals: Vitals?
    ) {
        self.store = store
        self.settings = settings
        self.counters = counters
        self.started = started
        self.vitals = vitals
    }

    /// - Parameter path: the segments of the request's path.
    func answer(
        _ request: Request, path: [String], _ context: any RequestContext
    ) async throws(StoreFailure) -> Answer {
        guard request.method == .get || request.method == .head else {
            return .whole(.methodNotAllowed(allowed: "GET,HEAD"))
        }
        switch path {
        case ["health", "live"]: return .whole(.text(.ok, "ok\n"))
        case ["health", "ready"]: return try await ready(context)
        case ["metrics"]: return .whole(try await metrics())
        case ["version"]:
            let body = objectJSON { json in
                for (name, value) in identity { json.member(name, value) }
            }
            return .whole(.json(.ok, body))
        case ["debug", "settings"] where settings.webhooks.isDebugging:
            let lines = Settings.variables.map { "\($0.line(settings))\n" }.joined()
            return .whole(.text(.ok, lines))
        default: return .whole(.notFound)
        }
    }

    /// The program's version and where it runs, as names and values.
    private var identity: [(String, String)] {
        [
            ("version", postroomVersion), ("env", settings.environmentName), ("pod_name", settings.podName),
            ("pod_ip", settings.podAddress),
        ]
    }

    /// Answers 200 only if the store's file is in place and whole, the store is not full and can commit, and due deliveries
    /// are being made.
    private func ready(_ context: any RequestContext) async throws(StoreFailure) -> Answer {
        do throws(StoreFailure) {
            try await store.checkHealth()
            if try await store.metrics(at: store.clock.now()).areDeliveriesStalled {
                return .whole(.text(.serviceUnavailable, "Deliveries are due, but none has been made for a minute.\n"))
            }
            guard try await !store.isFull() else {
                return .whole(.text(.serviceUnavailable, "\(store.fullExplanation)\n"))
            }
            try store.touch()
        } catch {
            return .whole(.text(.serviceUnavailable, "\(error.explanation)\n"))
        }
        return try await context.committed(.text(.ok, "ok\n"))
    }

    /// The metrics in the text format of Prometheus (version 0.0.4).
    private func metrics() async throws(StoreFailure) -> Response {
        let space = try await store.space()
        let metrics = try await store.metrics(at: store.clock.now())
        let capture = try await store.capture.overview(newest: 0).counters
        var text = MetricsText()
        text.family("info", "gauge", "The version of the program, and where it runs.")
        text.sample("info", identity, 1)
        text.family("build_info", "gauge", "The version of the program, the layout of its store, and its compiler.")
        text.sample(
            "build_info",
            [("version", postroomVersion), ("layout", "\(store.layoutVersion)"), ("compiler", Self.compiler)], 1)
        text.family("start_time_seconds", "gauge", "When the service was started, in seconds since 1970.")
        text.sample("start_time_seconds", [], text: "\(Double(started.microseconds) / 1e6)")
        text.add(counters)
        let calls = try await store.deliveries.operationalCalls()
        text.family("operational_calls_total", "counter", "Calls to OPS_EVENTS_URL, which do not count as deliveries.")
        text.sample("operational_calls_total", [("result", "success")], calls.successes)
        text.sample("operational_calls_total", [("result", "failure")], calls.failures)
        text.family("deliveries_total", "counter", "Attempts, by result.")
        text.sample("deliveries_total", [("result", "success"), ("error_kind", "")], metrics.deliveries.attempts[0])
        for kind in Attempt.ErrorKind.allCases {
            text.sample(
                "deliveries_total", [("result", "failure"), ("error_kind", kind.word)],
                metrics.deliveries.attempts[Int(kind.rawValue)])
        }
        text.family(
            "operational_events_total", "counter", "Operational events, reported in the log and to OPS_EVENTS_URL.")
        for (kind, count) in zip(OperationalEvent.Kind.allCases, metrics.deliveries.events) {
            text.sample("operational_events_total", [("event", kind.rawValue)], count)
        }
        text.histogram("delivery_attempt_seconds", "How long an attempt takes.", metrics.deliveries.attempt)
        text.histogram(
            "delivery_latency_seconds", "From an event to its first successful attempt.", metrics.deliveries.latency)
        text.histogram(
            "delivery_lag_seconds", "From the time when a delivery is due to its attempt.", metrics.deliveries.lag)
        text.family("events_left_out_total", "counter", "Events from Kafka that were left out, by reason.")
        text.sample("events_left_out_total", [("reason", "unreadable")], metrics.intake.unreadable)
        text.sample(
            "events_left_out_total", [("reason", "unknown_environment")], metrics.intake.ofUnknownEnvironments)
        text.single("pending", "gauge", "Deliveries that are pending or in flight.", metrics.pending)
        text.single("inflight", "gauge", "Attempts in flight.", metrics.inFlight)
        text.single(
            "connections_reused_total", "counter", "Attempts that reused a connection.",
            metrics.deliveries.reusedConnections)
        text.single(
            "endpoints_disabled", "gauge", "Disabled destinations.", metrics.disabledDestinations)
        text.single("destinations", "gauge", "All destinations.", metrics.destinations)
        text.single("subscriptions", "gauge", "Subscriptions to events.", metrics.subscriptions)
        text.single("events_waiting", "gauge", "Events that wait to be matched.", metrics.waitingEvents)
        text.single("store_bytes", "gauge", "Size of the store's file.", metrics.storeBytes)
        text.single("store_limit_bytes", "gauge", "Size that the store's file may have at most.", space.limitBytes)
        text.single(
            "store_free_bytes", "gauge", "Free space inside the store's file.",
            space.freeInsideBytes)
        text.single(
            "store_disk_free_bytes", "gauge", "Free space on the disk of the store.", space.diskFreeBytes)
        text.single("store_full", "gauge", "1 while the store is full and refuses writes.", space.isFull ? 1 : 0)
        if let durability = store.durabilityMetrics { text.add(durability) }
        if let vitals {
            text.family(
                "process_restarts_total", "counter",
                "Processes that were started again, because they ended or did not respond.")
            for role in Vitals.Role.allCases {
                for cause in Vitals.Cause.allCases {
                    text.sample(
                        "process_restarts_total", [("process", role.word), ("cause", cause.word)],
                        vitals.restarts(role, cause))
                }
            }
        }
        text.single("capture_endpoints", "gauge", "Endpoints of capture.", metrics.endpoints)
        text.family("capture_requests_total", "counter", "Requests to capture, by kind and result.")
        for (name, done, refused) in Self.captureEvents {
            text.sample("capture_requests_total", [("kind", name), ("result", "done")], capture[done])
            text.sample("capture_requests_total", [("kind", name), ("result", "refused")], capture[refused])
        }
        try await addForwards(to: &text)
        text.single("queues", "gauge", "Queues.", metrics.queues)
        text.single("queue_messages", "gauge", "Messages in queues.", metrics.queuedMessages)
        text.single("queue_bytes", "gauge", "Bytes of the messages in queues.", metrics.queuedBytes)
        text.single(
            "queue_messages_total", "counter", "Message ids that the queues have assigned.", metrics.queuedEver
        )
        var response = Response.text(.ok, text.text)
        response.head.headerFields[.contentType] = "text/plain; version=0.0.4; charset=utf-8"
        return response
    }

    private func addForwards(to text: inout MetricsText) async throws(StoreFailure) {
        let metrics = try await store.capture.forwardMetrics()
        text.single("forwards_pending", "gauge", "Forwards of notifications that are pending.", metrics.pending)
        text.family("forwards_total", "counter", "Attempts to forward notifications, by result.")
        text.sample("forwards_total", [("result", "success"), ("error_kind", "")], metrics.attempts[0])
        for kind in Attempt.ErrorKind.allCases where kind.endsForwards {
            text.sample(
                "forwards_total", [("result", "failure"), ("error_kind", kind.word)],
                metrics.attempts[Int(kind.rawValue)])
        }
        text.single(
            "forwards_missed_total", "counter", "Forwards that were not begun because a backlog was full.",
            metrics.missed)
    }

    #if compiler(>=6.4)
        private static let compiler = "Swift 6.4 or later"
    #else
        private static let compiler = "Swift 6.3"
    #endif

    private static let captureEvents: [(String, CaptureEvent, CaptureEvent)] = [
        ("create", .created, .creationRefused), ("collect", .collected, .collectionRefused),
        ("receive", .received, .receptionRefused), ("configure", .configured, .configurationRefused),
        ("delete", .deleted, .deletionRefused),
    ]
}

extension Attempt.ErrorKind {
    /// Whether an attempt to forward can end with it.
    fileprivate var endsForwards: Bool {
        switch self {
        case .disabled, .withheld, .approval, .consent: false
        default: true
        }
    }
}
