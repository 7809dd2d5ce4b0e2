internal import Capture
internal import Encodings
internal import HTTP
internal import JSON
internal import LMDB
internal import Storage
internal import Values

/// Imports endpoints, each followed by its notifications.
struct EndpointImporter {
    let store: MappedCapture
    let moment: Moment
    /// The endpoint whose notifications are being read. It is written when the next one begins, or at the end.
    private(set) var current: EndpointRecord?
    /// What the forwards that were read of the current endpoint add up to.
    var forwarding = Forwarding()
    /// How many notifications of the current endpoint have been read.
    private var taken: UInt64 = 0
    /// How many notifications the endpoint has, and the number of the last one that was read.
    private var waiting: UInt64 = 0
    private var last: UInt64 = 0
    /// When the export was made; no later than now.
    var exportedAt: Timestamp
    /// Whether the last endpoint may lack some of its notifications.
    var isIncompleteAllowed = false

    init(store: MappedCapture, moment: Moment) {
        self.store = store
        self.moment = moment
        exportedAt = moment.wall
    }

    func counters(_ line: ImportLine) throws(ImportError) {
        var counters = CaptureCounters()
        for event in CaptureEvent.allCases { counters[event] = try line.count("\(event)") }
        try line.write { [counters] (transaction) throws(LMDBError) in
            var state = try store.core.captureState(in: transaction)
            state.counters = counters
            try store.core.put(state, in: &transaction)
        }
    }

    mutating func endpoint(_ line: ImportLine, _ counts: inout ImportCounts) throws(ImportError) {
        try finish(line)
        guard let id = line.json["id"]?.string.flatMap({ Endpoint.ID($0) }) else {
            throw line.fault("\"id\" is not the id of an endpoint")
        }
        let (uncollected, next) = (try line.count("uncollected"), try line.count("next"))
        guard uncollected >= 1, next >= uncollected else {
            throw line.fault("\"uncollected\" must be at least 1, and \"next\" at least \"uncollected\"")
        }
        let number = try line.write { (transaction) throws(LMDBError) -> UInt64? in
            guard try !store.tables.endpointIDs.contains(id, in: transaction) else { return nil }
            var state = try store.core.captureState(in: transaction)
            let number = state.nextEndpoint
            state.nextEndpoint += 1
            try store.core.put(state, in: &transaction)
            try store.tables.endpointIDs.put(number, at: id, in: &transaction)
            return number
        }
        guard let number else { throw line.fault("duplicate endpoint") }
        waiting = line.json["waiting"] == nil ? next - uncollected : try line.count("waiting")
        guard waiting <= next - uncollected else {
            throw line.fault("\"waiting\" is greater than \"next\" minus \"uncollected\"")
        }
        var endpoint = Endpoint(
            id: id, number: number, isEnabled: try line.bool("enabled"), takesSubpaths: try line.bool("subpaths"),
            created: steady(try line.time("created")), lastUsed: moment.steady, uncollected: uncollected, next: next,
            skipped: next - uncollected - waiting)
        endpoint.settings = try settings(line)
        if let receiver = try receiver(line) {
            endpoint.settings.hasReceiver = true
            try line.write { (transaction) throws(LMDBError) in
                try store.tables.receivers.put(receiver, at: number, in: &transaction)
            }
        }
        for confirmation in line.json["confirmations"] == nil ? [] : try line.list("confirmations") {
            let confirmation = try self.confirmation(
                ImportLine(number: line.number, json: confirmation, store: line.store))
            try line.write { (transaction) throws(LMDBError) in
                try store.put(confirmation, of: number, in: &transaction)
            }
        }
        _ = try line.time("lastUsed")
        forwarding = try forwarding(line)
        endpoint.settings.hasForwards = !forwarding.urls.isEmpty
        last = uncollected - 1
        current = EndpointRecord(endpoint: endpoint, indexedUse: endpoint.lastUsed)
        counts.endpoints += 1
    }

    private func settings(_ line: ImportLine) throws(ImportError) -> EndpointSettings {
        var settings = EndpointSettings()
        if let text = line.json["overflow"]?.string {
            guard let overflow = EndpointSettings.Overflow(rawValue: text) else {
                throw line.fault("\"overflow\" is not known")
            }
            settings.overflow = overflow
        }
        settings.isOpenToPages = line.json["cors"] == .bool(true)
        settings.isPinned = line.json["pinned"] == .bool(true)
        if line.json["expires"] != nil { settings.expires = moment.steady(at: try line.time("expires")) }
        settings.name = line.json["name"]?.string
        settings.deliveryHeader = line.json["deliveryHeader"]?.string
        return settings
    }

    private func receiver(_ line: ImportLine) throws(ImportError) -> StoredReceiver? {
        guard let settings = line.json["receiver"] else { return nil }
        guard case .object = settings else { throw line.fault("\"receiver\" is not an object") }
        var positions: [Int: Int] = [:]
        if case .object(let members)? = line.json["positions"] {
            for member in members {
                guard let rule = Int(member.name), case .number(let text) = member.value, let position = Int(text),
                    rule >= 0, position >= 0
                else { throw line.fault("\"positions\" has something else than numbers") }
                positions[rule] = position
            }
        }
        return StoredReceiver(
            version: .random(in: 1 ... .max), settings: valueJSON { json in json.value(settings) },
            sealedSecrets: try line.bytes("receiverSecrets"), positions: positions)
    }

    private func outcome(_ line: ImportLine) throws(ImportError) -> SenderOutcome? {
        guard line.json["status"] != nil else { return nil }
        let status = try line.count("status")
        guard status < 1000 else { throw line.fault("\"status\" is not a status") }
        return SenderOutcome(
            answeredBy: line.json["answeredBy"]?.string, status: Int(status),
            verdict: line.json["verification"].map { verdict in valueJSON { json in json.value(verdict) } },
            confirmation: try reference(line))
    }

    private func reference(_ line: ImportLine) throws(ImportError) -> ConfirmationReference? {
        guard let text = line.json["confirmation"]?.string else { return nil }
        switch text {
        case "refused-url": return .refusedURL
        case "too-many": return .tooMany
        default:
            guard let id = Base64.standard.decode(text.utf8), id.count == NameDigest.byteCount else {
                throw line.fault("\"confirmation\" is not the id of a confirmation")
            }
            return .to(id)
        }
    }

    private func confirmation(_ line: ImportLine) throws(ImportError) -> Confirmation {
        let at = try line.time("at")
        guard let state = Confirmation.State(rawValue: try line.text("state")) else {
            throw line.fault("\"state\" is not the state of a confirmation")
        }
        let due = state == .pending ? steady(try line.time("due")) : moment.steady
        guard var confirmation = Confirmation(url: try line.text("url"), at: Moment(wall: at, steady: due)) else {
            throw line.fault("\"url\" does not confirm a subscription of Amazon SNS")
        }
        confirmation.state = state
        let attempts = try line.count("attempts")
        guard attempts < 1 << 32 else { throw line.fault("\"attempts\" is too large") }
        confirmation.attempts = Int(attempts)
        if line.json["status"] != nil {
            let status = try line.count("status")
            guard (1..<1000).contains(status) else { throw line.fault("\"status\" is not a status") }
            confirmation.status = Int(status)
        }
        confirmation.error = line.json["error"]?.string
        return confirmation
    }

    /// Converts a time of the export to the steady clock: an age at the export is the age now.
    func steady(_ wall: Timestamp) -> Timestamp {
        Timestamp(microseconds: moment.steady.microseconds - (exportedAt.microseconds - wall.microseconds))
    }

    /// Writes the current endpoint once all its notifications have been read.
    mutating func finish(_ line: ImportLine) throws(ImportError) {
        guard var record = current else { return }
        current = nil
        defer { taken = 0 }
        // The numbers of missing notifications are not given again.
        if isIncompleteAllowed { record.endpoint.skipMissing(kept: taken) }
        guard taken == record.endpoint.count else {
            throw line.fault("notifications of the previous endpoint are missing")
        }
        try line.write { [record] (transaction) throws(LMDBError) in
            _ = try store.core.lowestNumber(after: record.endpoint.next, in: &transaction)
            try store.put(record, in: &transaction)
            try finishForwards(of: record.endpoint.number, in: &transaction)
            try store.tables.endpointUses.put(record.useKey, in: &transaction)
        }
    }

    mutating func notification(_ line: ImportLine, _ counts: inout ImportCounts) throws(ImportError) {
        guard var record = current, line.json["endpoint"]?.string == record.endpoint.id.description else {
            throw line.fault("the notification does not follow its endpoint")
        }
        let number = try line.count("id")
        // Numbers are consecutive unless some were skipped.
        guard number > last, number < record.endpoint.next, taken < waiting,
            record.endpoint.skipped > 0 || number == last + 1
        else {
            throw line.fault("\"id\" is out of order, or notifications before it are missing")
        }
        let stored = Encoded<NotificationRecord>(try read(line))
        taken += 1
        last = number
        record.endpoint.bytes += UInt64(stored.weight)
        current = record
        counts.notifications += 1
        let owner = record.endpoint.number
        try line.write { (transaction) throws(LMDBError) in
            try store.tables.notifications.put(stored, of: owner, at: number, in: &transaction)
        }
    }

    func read(_ line: ImportLine) throws(ImportError) -> Notification {
        var fields = FieldList()
        for header in try line.list("headers") {
            guard let name = try line.bytes("name", in: header), let value = try line.bytes("value", in: header) else {
                throw line.fault("a header has no name or no value")
            }
            fields.append(name: name, value: value)
        }
        guard let path = try line.bytes("path"), let body = try line.bytes("body") else {
            throw line.fault("\"path\" or \"body\" is missing")
        }
        let kind: BodyReading.Kind =
            if let label = line.json["charset"]?.string {
                Charset(label: label) == .utf8 ? .text : .encodedText(label)
            } else {
                line.json["body"] == nil ? .binary : .text
            }
        var notification = Notification(
            method: try line.text("method"), called: try calledURL(line), path: path, query: try line.bytes("query"),
            fields: fields, body: body, reading: try reading(line, kind), receivedAt: try line.time("receivedAt"),
            remote: line.json["remote"]?.string, outcome: try outcome(line))
        if let bytes = try line.bytes("delivery") {
            guard let delivery = SenderDelivery(bytes: bytes) else {
                throw line.fault("\"delivery\" does not have \(SenderDelivery.byteCount) bytes")
            }
            notification.delivery = delivery
        }
        return notification
    }

    private func reading(_ line: ImportLine, _ kind: BodyReading.Kind) throws(ImportError) -> BodyReading {
        var coding: ContentCoding?
        if let name = line.json["coding"]?.string {
            guard let known = ContentCoding(name) else { throw line.fault("\"coding\" is not a known content coding") }
            coding = known
        }
        var fault: BodyFault?
        if let name = line.json["fault"]?.string {
            guard let known = BodyFault.allCases.first(where: { $0.name == name }) else {
                throw line.fault("\"fault\" is not a known fault of a body")
            }
            fault = known
        }
        let bytes = coding == nil ? 0 : try line.count("decodedBytes")
        guard bytes < 1 << 40 else { throw line.fault("\"decodedBytes\" is too large") }
        return BodyReading(coding: coding, decodedBytes: Int(bytes), kind: kind, fault: fault)
    }

    private func calledURL(_ line: ImportLine) throws(ImportError) -> CalledURL? {
        guard let path = try line.bytes("calledPath") else { return nil }
        return CalledURL(isSecure: try line.bool("secure"), host: try line.bytes("calledHost"), path: path)
    }
}
