internal import Capture
internal import Encodings
internal import HTTP
internal import JSON
internal import LMDB
internal import Values

extension MappedCapture {
    func exportEndpoints(
        at moment: Moment, _ salvage: Salvage, in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        var numbers: Set<UInt64> = []
        try tables.endpoints.scan(in: transaction) { number, _ in
            if number < .max { numbers.insert(number) }
            return true
        }
        var ids: [UInt64: Endpoint.ID] = [:]
        if !salvage.isStrict {
            // A page that was lost had records of endpoints, and the index still has these endpoints.
            try tables.endpointIDs.scan(in: transaction) { id, number in
                if let number, number < .max { ids[number] = id }
                return true
            }
            numbers.formUnion(ids.keys)
        }
        for number in numbers.sorted() {
            let kept = try salvage.take("endpoint number \(number)") { () throws(LMDBError) in
                try tables.endpoints.value(at: number, in: transaction)?.endpoint
            }
            let found =
                if let kept { kept } else {
                    try rebuiltEndpoint(number, ids[number], at: moment, salvage, in: transaction)
                }
            guard let endpoint = found else { continue }
            var waiting: [UInt64] = []
            try tables.notifications.scan(
                of: number, from: endpoint.uncollected, to: endpoint.next, in: transaction
            ) { key, record in
                if salvage.isStrict || (isIntact(record) && NotificationRecord.decode(record, at: key) != nil) {
                    waiting.append(key.number)
                } else {
                    salvage.note("notification \(key.number) of endpoint \(endpoint.id)")
                }
                return true
            }
            if UInt64(waiting.count) != endpoint.count, salvage.isStrict {
                throw .damaged("endpoint \(endpoint.id)'s count of notifications")
            }
            let receiver = try salvage.take("the settings of endpoint \(endpoint.id)") { () throws(LMDBError) in
                try tables.receivers.value(at: number, in: transaction)
            }
            let confirmations = try confirmations(of: number, in: transaction)
            let forwarding = try salvage.take("the settings of the forwards of endpoint \(endpoint.id)") {
                () throws(LMDBError) in
                try tables.forwardings.value(at: number, in: transaction)
            }
            line("endpoint") { json in
                json.member("id", endpoint.id.description)
                json.member("enabled", endpoint.isEnabled)
                json.member("subpaths", endpoint.takesSubpaths)
                json.settings(endpoint.settings, at: moment)
                if let receiver { json.receiver(receiver) }
                if !confirmations.isEmpty {
                    json.member("confirmations", arrayOf: confirmations) { json, confirmation in
                        json.object { json in json.confirmation(confirmation, at: moment) }
                    }
                }
                if let forwarding { json.forwarding(forwarding) }
                json.member("created", moment.wall(at: endpoint.created))
                json.member("lastUsed", moment.wall(at: endpoint.lastUsed))
                json.member("uncollected", endpoint.uncollected)
                json.member("next", endpoint.next)
                // If numbers were skipped, the count is not the difference between them.
                if UInt64(waiting.count) != endpoint.next - endpoint.uncollected {
                    json.member("waiting", waiting.count)
                }
            }
            for id in waiting {
                let found = try notifications(of: number, from: id, to: id + 1, in: transaction)
                guard let notification = found.first?.notification else {
                    throw .damaged("notification \(id) of endpoint \(endpoint.id)")
                }
                line("notification") { json in
                    json.member("endpoint", endpoint.id.description)
                    json.member("id", id)
                    json.notification(notification)
                }
            }
            try exportForwards(of: endpoint, at: moment, salvage, in: transaction, line)
        }
    }

    /// An endpoint whose record is damaged or lost, rebuilt as far as possible from its id and the notifications.
    private func rebuiltEndpoint(
        _ number: UInt64, _ id: Endpoint.ID?, at moment: Moment, _ salvage: Salvage,
        in transaction: borrowing Transaction
    ) throws(LMDBError) -> Endpoint? {
        guard let id else { return nil }
        var first: UInt64?
        var last: UInt64 = 0
        try tables.notifications.scan(of: number, from: 0, to: .max, in: transaction) { key, _ in
            first = first ?? key.number
            last = key.number
            return true
        }
        salvage.note("endpoint \(id), which is rebuilt: enabled, with the notifications that are stored")
        return Endpoint(
            id: id, number: number, created: moment.steady, lastUsed: moment.steady, uncollected: first ?? last + 1,
            next: last + 1)
    }
}

extension JSONWriter {
    /// Writes the settings that are not those of a new endpoint.
    fileprivate mutating func settings(_ settings: EndpointSettings, at moment: Moment) {
        if settings.overflow != .refuse { member("overflow", settings.overflow.rawValue) }
        if settings.isOpenToPages { member("cors", true) }
        if settings.isPinned { member("pinned", true) }
        if let expires = settings.expires { member("expires", moment.wall(at: expires)) }
        if let name = settings.name { member("name", name) }
        if let name = settings.deliveryHeader { member("deliveryHeader", name) }
    }

    fileprivate mutating func receiver(_ receiver: StoredReceiver) {
        member("receiver", text: receiver.settings)
        if let sealed = receiver.sealedSecrets { member("receiverSecrets", base64: sealed) }
        guard !receiver.positions.isEmpty else { return }
        member("positions") { json in
            for (rule, position) in receiver.positions.sorted(by: { $0.key < $1.key }) {
                json.member(String(rule), position)
            }
        }
    }

    fileprivate mutating func confirmation(_ confirmation: Confirmation, at moment: Moment) {
        member("url", confirmation.url)
        member("state", confirmation.state.rawValue)
        member("attempts", confirmation.attempts)
        if confirmation.state == .pending { member("due", moment.wall(at: confirmation.due)) }
        if let status = confirmation.status { member("status", status) }
        if let error = confirmation.error { member("error", error) }
        member("at", confirmation.at)
    }

    mutating func notification(_ notification: Notification) {
        member("receivedAt", notification.receivedAt)
        member("method", notification.method)
        if let remote = notification.remote { member("remote", remote) }
        member("path", bytes: notification.path)
        if let query = notification.query { member("query", bytes: query) }
        member("headers", arrayOf: 0..<notification.fields.count) { json, index in
            json.object { json in
                json.member("name", bytes: notification.fields.name(at: index))
                json.member("value", bytes: notification.fields.value(at: index))
            }
        }
        if let called = notification.called {
            member("secure", called.isSecure)
            if let host = called.host { member("calledHost", bytes: host) }
            member("calledPath", bytes: called.path)
        }
        if let delivery = notification.delivery { member("delivery", base64: delivery.bytes) }
        let reading = notification.reading
        if let coding = reading.coding {
            member("coding", coding == .gzip ? "gzip" : "deflate")
            member("decodedBytes", reading.decodedBytes)
        }
        if let fault = reading.fault { member("fault", fault.name) }
        if let outcome = notification.outcome {
            member("status", outcome.status)
            if let name = outcome.answeredBy { member("answeredBy", name) }
            if let verdict = outcome.verdict { member("verification", text: verdict) }
            switch outcome.confirmation {
            case .to(let id): member("confirmation", Base64.standard.encode(id))
            case .refusedURL: member("confirmation", "refused-url")
            case .tooMany: member("confirmation", "too-many")
            case nil: break
            }
        }
        switch reading.kind {
        case .text where reading.coding == nil:
            member("body", bytes: notification.body)
            return
        case .text: member("charset", "utf-8")
        case .encodedText(let label): member("charset", label)
        case .binary: break
        }
        member("bodyBase64", Base64.standard.encode(notification.body))
    }
}
