internal import Capture
internal import Delivery
internal import HTTP
internal import JSON
internal import LMDB
internal import Storage
internal import Values

extension MappedCapture {
    /// Exports the forwards of an endpoint: those that are over, and those that are pending with what they send.
    func exportForwards(
        of endpoint: Endpoint, at moment: Moment, _ salvage: Salvage, in transaction: borrowing Transaction,
        _ line: (String, (inout JSONWriter) -> Void) -> Void
    ) throws(LMDBError) {
        var firsts: [UInt64] = []
        var damaged: [UInt64] = []
        try tables.forwardContents.scan(of: endpoint.number, from: 0, to: .max, in: transaction) { key, record in
            let isReadable = isIntact(record) && NotificationRecord.decode(record, at: key) != nil
            if isReadable { firsts.append(key.number) } else { damaged.append(key.number) }
            return true
        }
        for number in damaged {
            let what = "the notification of forward \(number) of endpoint \(endpoint.id)"
            guard !salvage.isStrict else { throw .damaged(what) }
            salvage.note(what)
        }
        for first in firsts {
            let key = OwnedNumber(endpoint.number, first)
            guard let notification = try tables.forwardContents.table.readable(at: key, in: transaction) else {
                continue
            }
            line("forwardContent") { json in
                json.member("endpoint", endpoint.id.description)
                json.member("id", first)
                json.notification(notification)
            }
        }
        let kept = Set(firsts)
        var forwards: [Forward] = []
        var lost: [UInt64] = []
        try tables.forwards.forwards.scan(of: endpoint.number, from: 0, to: .max, in: transaction) { key, record in
            guard let forward = ForwardRecord.decode(record, at: key),
                forward.state != .pending || kept.contains(forward.group.lowerBound)
            else {
                lost.append(key.number)
                return true
            }
            forwards.append(forward)
            return true
        }
        for number in lost {
            let what = "forward \(number) of endpoint \(endpoint.id)"
            guard !salvage.isStrict else { throw .damaged(what) }
            salvage.note(what)
        }
        for forward in forwards {
            line("forward") { json in
                json.member("endpoint", endpoint.id.description)
                json.forward(forward, at: moment)
            }
        }
    }
}

extension JSONWriter {
    mutating func forwarding(_ forwarding: Forwarding) {
        member("forwards", forwarding.urls)
        member("nextForward", forwarding.next)
        if forwarding.missed > 0 { member("missedForwards", forwarding.missed) }
    }

    fileprivate mutating func forward(_ forward: Forward, at moment: Moment) {
        member("id", forward.number)
        member("notification", forward.notification)
        member("url", forward.url)
        member("standing", forward.isStanding)
        member("first", forward.group.lowerBound)
        member("together", forward.group.count)
        member("forwardedAt", forward.created)
        member("state", forward.state.rawValue)
        member("attempts", forward.attempts)
        // Nobody knows of an attempt that has begun here what became of it: it is made again at once.
        if forward.state == .pending { member("due", forward.isBegun ? moment.wall : moment.wall(at: forward.due)) }
        guard let last = forward.last else { return }
        if let status = last.status { member("status", status) }
        if let failure = last.failure {
            member("errorKind", failure.kind.rawValue)
            member("error", failure.text)
        }
        member("milliseconds", last.milliseconds)
        member("at", last.at)
        member("response", bytes: last.response)
    }
}

extension EndpointImporter {
    /// The standing forwards of an endpoint.
    func forwarding(_ line: ImportLine) throws(ImportError) -> Forwarding {
        var forwarding = Forwarding()
        guard line.json["forwards"] != nil else { return forwarding }
        for url in try line.list("forwards") {
            guard let url = url.string else { throw line.fault("\"forwards\" has something else than texts") }
            forwarding.urls.append(url)
        }
        if let fault = ForwardURLs(forwarding.urls, member: "forwards").fault(ParsedURLs()) { throw line.fault(fault) }
        forwarding.next = try line.count("nextForward")
        guard (1..<1 << 52).contains(forwarding.next) else { throw line.fault("\"nextForward\" is out of range") }
        forwarding.missed = line.json["missedForwards"] == nil ? 0 : try line.count("missedForwards")
        return forwarding
    }

    private func owner(_ line: ImportLine) throws(ImportError) -> UInt64 {
        guard let endpoint = current?.endpoint, line.json["endpoint"]?.string == endpoint.id.description else {
            throw line.fault("the forward does not follow its endpoint")
        }
        return endpoint.number
    }

    mutating func forwardContent(_ line: ImportLine) throws(ImportError) {
        let endpoint = try owner(line)
        let first = try line.count("id")
        guard first >= 1, first < forwarding.next else { throw line.fault("\"id\" is not that of a forward") }
        let stored = Encoded<NotificationRecord>(try read(line))
        forwarding.bytes += UInt64(stored.byteCount)
        try line.write { (transaction) throws(LMDBError) in
            try store.tables.forwardContents.put(stored, of: endpoint, at: first, in: &transaction)
        }
    }

    mutating func forward(_ line: ImportLine) throws(ImportError) {
        let endpoint = try owner(line)
        let (number, first, count) = (try line.count("id"), try line.count("first"), try line.count("together"))
        guard first >= 1, first <= number, number < forwarding.next, count <= ForwardLimits.urls, number < first + count
        else {
            throw line.fault("\"id\", \"first\" and \"together\" do not fit")
        }
        let url = try line.text("url")
        if let fault = ForwardURLs.fault(of: url, ParsedURLs()) { throw line.fault("\"url\": \(fault)") }
        guard let state = Forward.State(rawValue: try line.text("state")) else {
            throw line.fault("\"state\" is not the state of a forward")
        }
        var forward = Forward(
            number: number, notification: try line.count("notification"), url: url,
            isStanding: try line.bool("standing"), group: first..<first + count, created: try line.time("forwardedAt"),
            due: state == .pending ? steady(try line.time("due")) : moment.steady)
        forward.state = state
        let attempts = try line.count("attempts")
        guard attempts < 1 << 32 else { throw line.fault("\"attempts\" is too large") }
        forward.attempts = UInt32(attempts)
        forward.last = try result(line)
        forwarding.count += 1
        if state == .pending { forwarding.pending += 1 }
        guard forwarding.pending <= ForwardLimits.pendingPerEndpoint else {
            throw line.fault("more than \(ForwardLimits.pendingPerEndpoint) forwards of the endpoint are pending")
        }
        let isKept = try line.write { [forward] (transaction) throws(LMDBError) in
            let content = OwnedNumber(endpoint, first)
            let isThere = try store.tables.forwardContents.table.contains(content, in: transaction)
            guard isThere || state != .pending else { return false }
            try store.tables.forwards.put(forward, replacing: nil, of: endpoint, in: &transaction)
            return true
        }
        guard isKept else { throw line.fault("the notification of the forward is missing") }
    }

    private func result(_ line: ImportLine) throws(ImportError) -> ForwardResult? {
        guard line.json["at"] != nil else { return nil }
        var result = ForwardResult(
            milliseconds: try line.count("milliseconds"), response: try line.bytes("response") ?? [],
            at: try line.time("at"))
        if line.json["status"] != nil {
            let status = try line.count("status")
            guard (1..<1000).contains(status) else { throw line.fault("\"status\" is not a status") }
            result.status = Int(status)
        }
        if line.json["errorKind"] != nil {
            guard let kind = UInt8(exactly: try line.count("errorKind")).flatMap(Attempt.ErrorKind.init) else {
                throw line.fault("\"errorKind\" is not known")
            }
            result.failure = Attempt.Failure(kind: kind, text: try line.text("error"))
        }
        return result
    }

    /// Writes the record of the current endpoint's forwards.
    func finishForwards(of endpoint: UInt64, in transaction: inout Transaction) throws(LMDBError) {
        guard forwarding != Forwarding() else { return }
        _ = try store.core.lowestNumber(after: forwarding.next, in: &transaction)
        try store.tables.forwardings.put(forwarding, at: endpoint, in: &transaction)
    }
}
