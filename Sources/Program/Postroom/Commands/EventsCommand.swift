internal import ArgumentParser
internal import Delivery
internal import Events
internal import HTTP
internal import JSON
internal import Linux
internal import PostroomService
internal import Storage
internal import Values

struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Show, resend and remove the events of event routing.",
        discussion:
            "/receive answers with the UUID of an event. The service may keep running. All times are in UTC.",
        subcommands: [Get.self, Retry.self, Purge.self])

    /// How many events and entries of their history one step removes.
    private static let stepSize = 500

    struct DateForm: ParsableArguments {
        @Option(help: "The format of dates and times, as in strptime(3). RFC 3339 is always accepted too.")
        var dateFormat =
            "%Y-%m-%d %H:%M:%S"

        /// - Parameter option: the name of the option that the text was given for; an error names it.
        func time(_ text: String?, _ option: String, or other: Timestamp) throws -> Timestamp {
            guard let text else { return other }
            if let seconds = SystemClock.seconds(reading: text, in: dateFormat) {
                return Timestamp(microseconds: seconds * 1_000_000)
            }
            guard text.dropFirst(10).lowercased().hasPrefix("t"), let time = Timestamp(zonedOrNaive: text) else {
                throw Refusal(
                    "--\(option) is \"\(text)\", but must be a date and time of the form \(dateFormat), or like 2026-11-22T06:05:37Z"
                )
            }
            return time
        }
    }

    private static func ids(_ texts: [String]) throws -> [UUID] {
        try texts.map { text in
            guard let id = UUID(lenient: text) else { throw Refusal("\"\(text)\" is not a UUID") }
            return id
        }
    }

    private static func tellUnknown(_ id: UUID) { complain("event \(id) does not exist, or is no longer kept") }
}

extension EventsCommand {
    struct Get: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show events, with one line for each attempt to deliver them.")

        @Argument(help: "The UUIDs of the events to show. (default: the events between --start-date and --end-date)")
        var events: [String] = []
        @Option(help: "Show at most this many of the events between the two dates.") var limit = 10
        @OptionGroup var form: DateForm
        @Option(help: "Show events received after this time. (default: a day ago)") var startDate: String?
        @Option(help: "Show events received before this time. (default: now)") var endDate: String?

        func run() async throws {
            let ids = try EventsCommand.ids(events)
            let store = try Settings.inForce().readStore()
            let now = store.clock.now().wall
            guard ids.isEmpty else {
                for id in ids {
                    if let event = try await store.events.event(id, for: nil) {
                        try store.flush()
                        event.printOut()
                    } else {
                        EventsCommand.tellUnknown(id)
                    }
                }
                return
            }
            let start = try form.time(startDate, "start-date", or: now.adding(seconds: -86_400))
            let end = try form.time(endDate, "end-date", or: now)
            guard start <= end else { throw Refusal("--start-date is later than --end-date") }
            var next: UInt64? = 0
            var left = max(0, limit)
            while left > 0, let from = next {
                let page = try await store.events.events(from: from, after: start, before: end, limit: left)
                try store.flush()
                for event in page.events { event.printOut() }
                left -= page.events.count
                next = page.next
            }
        }
    }

    struct Retry: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Send events again, to every subscription that matches them now.")

        @Argument(help: "The UUIDs of the events to send.") var events: [String]

        func run() async throws {
            let ids = try EventsCommand.ids(events)
            let store = try Settings.inForce().openStore()
            for id in ids {
                switch try await store.events.redispatch(id) {
                case .started: print("\(id) - None")
                case .waiting: complain("event \(id) is already waiting to be matched")
                case .unknown: EventsCommand.tellUnknown(id)
                }
                try store.commit()
            }
            try store.flush()
        }
    }

    struct Purge: AsyncCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove events with their history.",
            discussion: """
                Events that are still to be matched or delivered are not removed by date. An event that is given by its UUID \
                is always removed; its pending deliveries are given up.
                """)

        @Argument(help: "The UUIDs of the events to remove. (default: all events before --older-than-date)") var events:
            [String] =
                []
        @OptionGroup var form: DateForm
        @Option(help: "Remove events received before this time. (default: a day ago)") var olderThanDate: String?

        func run() async throws {
            let ids = try EventsCommand.ids(events)
            let store = try Settings.inForce().openStore()
            let yesterday = store.clock.now().wall.adding(seconds: -86_400)
            let end = try form.time(olderThanDate, "older-than-date", or: yesterday)
            if ids.isEmpty { try await purge(store, before: end) } else { try await purge(store, ids) }
            try store.flush()
        }

        private func purge(_ store: any StorageEngine, _ ids: [UUID]) async throws {
            var removed = 0
            for id in ids {
                var outcome = PurgeOutcome.begun
                while outcome == .begun {
                    outcome = try await store.events.purge(id, limit: EventsCommand.stepSize)
                    try store.commit()
                }
                if outcome == .removed { removed += 1 } else { EventsCommand.tellUnknown(id) }
            }
            print("removed \(removed) events")
        }

        private func purge(_ store: any StorageEngine, before end: Timestamp) async throws {
            var (removed, unfinished) = (0, 0)
            var next: UInt64? = 0
            while let from = next {
                let step = try await store.events.purgeEvents(from: from, before: end, limit: EventsCommand.stepSize)
                try store.commit()
                removed += step.removed
                unfinished += step.unfinished
                next = step.next
            }
            print("removed \(removed) events")
            if unfinished > 0 { complain("kept \(unfinished) events that are still to be matched or delivered") }
        }
    }
}

/// A text of another service as a part of a line: blanks replace control characters, and it is cut after 200 characters.
private func oneLine(_ text: String) -> String {
    let plain = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) }
    return plain.count > 200 ? String(plain.prefix(200)) + "…" : String(plain)
}

extension EventHistory {
    /// Prints the event's id, its body, a line for each attempt, and another line for the failure of an attempt. `-` stands
    /// for the status of a service that did not answer or was not asked.
    fileprivate func printOut() {
        print("Event - \(id)")
        var line = JSONWriter(reserving: body.count)
        if let value = try? JSON(parsing: body) { line.value(value) } else { line.value(text: body) }
        print(String(decoding: line.bytes, as: UTF8.self))
        for match in matches {
            for attempt in match.attempts {
                let (policy, target) = (attempt.outcome.approval?.status, attempt.outcome.status)
                let codes = [policy, target].map { $0.map(String.init) ?? "-" }
                print(
                    "    ELM \(match.subscription) (\(attempt.outcome.triggeredAt.naive)) policy \(codes[0]) target \(codes[1])"
                )
                if let failure = attempt.outcome.failure {
                    print("        error \(failure.kind.word): \(oneLine(failure.text))")
                }
            }
        }
    }
}
