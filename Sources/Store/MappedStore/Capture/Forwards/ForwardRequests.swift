package import Capture
internal import Delivery
package import HTTP
internal import LMDB
package import Values

/// Begins forwards, and shows them.
extension MappedCapture {
    /// Bytes of records after which no more forwards are returned at once.
    private static let shownBytes = 256 << 10

    package func forward(
        _ notifications: [UInt64], to urls: [String], at id: Endpoint.ID, for request: RequestID?, at moment: Moment,
        _ limits: CaptureLimits
    ) throws(StoreFailure) -> ForwardBeginning {
        try growing(of: "endpoint \(id)") { (transaction) throws(LMDBError) -> ForwardBeginning? in
            guard var record = try current(id, at: moment, limits, in: transaction) else { return .unknownEndpoint }
            let endpoint = record.endpoint.number
            if case .forwarded(let number, let first, let end) = try outcome(of: request, in: transaction),
                number == endpoint
            {
                return .begun(try forwards(of: endpoint, first..<max(first, end), in: transaction))
            }
            var forwarding = try forwarding(number: endpoint, in: transaction)
            // Before the contents are copied, which may be long.
            let count = notifications.count * urls.count
            let size = try contentBytes(of: notifications, record.endpoint, in: transaction)
            guard forwarding.mayBegin(count, bytes: size, limits) else { return .full(forwarding) }
            guard size <= ForwardLimits.requestBytes || notifications.count == 1 else { return .tooLong(size) }
            let contents = try contents(of: notifications, record.endpoint, in: transaction)
            let unknown = notifications.filter { contents.found[$0] == nil && !contents.damaged.contains($0) }
            guard unknown.isEmpty else { return .unknownNotifications(unknown) }
            guard contents.damaged.isEmpty else { return .damagedNotifications(contents.damaged) }
            let bytes = contents.found.values.reduce(0) { $0 + $1.bytes.count }
            let largest = contents.found.values.map(\.bytes.count).max() ?? 0
            guard
                try admit(
                    bytes: bytes + forwardBytes(urls) * notifications.count, largest: largest, in: &transaction)
            else { return nil }
            var begun: [Forward] = []
            for number in notifications {
                guard let content = contents.found[number] else { continue }
                begun += try begin(
                    urls, of: number, content, isStanding: false, endpoint, &forwarding, at: moment, limits,
                    in: &transaction)
            }
            try tables.forwards.forwardings.put(forwarding, at: endpoint, in: &transaction)
            record.endpoint.lastUsed = moment.steady
            try put(record, in: &transaction)
            if let first = begun.first?.number {
                try remember(
                    .forwarded(endpoint: endpoint, first: first, end: forwarding.next), of: request, in: &transaction)
            }
            return .begun(begun)
        }
    }

    /// The notification of a forward as it is stored.
    struct ForwardContent {
        let bytes: [UInt8]
        /// How often it was forwarded before; `nil` if that cannot be read.
        let hops: Int?

        /// Why it is not forwarded again, whatever the backlog; `nil` if it may be.
        var loop: String? {
            guard let hops else { return "the request's \(ForwardCall.hopField) is not a number: this may be a loop" }
            guard hops >= ForwardLimits.hops else { return nil }
            return "the request was forwarded \(hops) times before (\(ForwardCall.hopField)): this may be a loop"
        }
    }

    /// The bytes of the records of notifications that wait.
    private func contentBytes(
        of notifications: [UInt64], _ endpoint: Endpoint, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Int {
        var bytes = 0
        for number in notifications where endpoint.kept.contains(number) {
            let key = OwnedNumber(endpoint.number, number)
            bytes += try tables.notifications.table.part(at: key, in: transaction) { $0.byteCount } ?? 0
        }
        return bytes
    }

    /// The notifications that wait, and the numbers of those that are damaged.
    private func contents(
        of notifications: [UInt64], _ endpoint: Endpoint, in transaction: borrowing Transaction
    ) throws(LMDBError) -> (found: [UInt64: ForwardContent], damaged: [UInt64]) {
        var found: [UInt64: ForwardContent] = [:]
        var damaged: [UInt64] = []
        for number in notifications where endpoint.kept.contains(number) {
            let key = OwnedNumber(endpoint.number, number)
            let bytes = try tables.notifications.table.part(at: key, in: transaction) { copy($0) }
            guard let bytes else { continue }
            if isIntact(bytes), let head = unsafe NotificationRecord.decode(bytes.span.bytes, bodyLimit: 0) {
                found[number] = ForwardContent(bytes: bytes, hops: ForwardCall.hops(of: head.notification.fields))
            } else {
                damaged.append(number)
            }
        }
        return (found, damaged)
    }

    /// Roughly the bytes of the records of a notification's forwards.
    func forwardBytes(_ urls: [String]) -> Int { urls.reduce(512) { $0 + $1.utf8.count + 256 } }

    /// Begins the forwards of one notification. Those that may not be begun are stored as failed.
    /// - Returns: the forwards, one for each URL.
    func begin(
        _ urls: [String], of notification: UInt64, _ content: ForwardContent, isStanding: Bool, _ endpoint: UInt64,
        _ forwarding: inout Forwarding, at moment: Moment, _ limits: CaptureLimits, in transaction: inout Transaction
    ) throws(LMDBError) -> [Forward] {
        let first = max(forwarding.next, try core.lowestNumber(after: forwarding.next, in: &transaction))
        let group = first..<first + UInt64(urls.count)
        let refusal = refusal(of: content, urls.count, forwarding, limits)
        var begun: [Forward] = []
        for (number, url) in zip(group, urls) {
            var forward = Forward(
                number: number, notification: notification, url: url, isStanding: isStanding, group: group,
                created: moment.wall, due: moment.steady)
            if let refusal { forward.giveUp(refusal, at: moment) }
            try tables.forwards.put(forward, replacing: nil, of: endpoint, in: &transaction)
            begun.append(forward)
        }
        forwarding.next = group.upperBound
        forwarding.count += UInt64(urls.count)
        if refusal == nil {
            forwarding.pending += UInt64(urls.count)
            forwarding.bytes += UInt64(content.bytes.count)
            try tables.forwards.contents.table.bytes.put(
                content.bytes, at: OwnedNumber(endpoint, first).keyBytes, in: &transaction)
        } else if content.loop == nil {
            forwarding.missed += UInt64(urls.count)
            try changeMetrics(in: &transaction) { $0.missed &+= UInt64(urls.count) }
        }
        try dropFinished(of: endpoint, &forwarding, in: &transaction)
        return begun
    }

    /// Why a notification is not sent on; `nil` if it is.
    private func refusal(
        of content: ForwardContent, _ count: Int, _ forwarding: Forwarding, _ limits: CaptureLimits
    ) -> String? {
        if let loop = content.loop { return loop }
        guard forwarding.mayBegin(count, bytes: content.bytes.count, limits) else {
            return """
                the backlog of forwards was full: \(forwarding.pending) were pending, of at most \
                \(limits.pendingForwards), with \(forwarding.bytes) bytes, of at most \(limits.bytesPerEndpoint)
                """
        }
        return nil
    }

    /// Drops the oldest forwards that are over, some at a time, if there are too many.
    private func dropFinished(
        of endpoint: UInt64, _ forwarding: inout Forwarding, in transaction: inout Transaction
    ) throws(LMDBError) {
        let step = 64
        let finished = forwarding.count - min(forwarding.pending, forwarding.count)
        guard finished >= UInt64(ForwardLimits.finishedPerEndpoint + step) else { return }
        var keys: [OwnedNumber] = []
        try tables.forwards.forwards.scan(of: endpoint, from: 0, to: .max, in: transaction) { key, record in
            if ForwardRecord.decode(record, at: key)?.state != .pending { keys.append(key) }
            return keys.count < step
        }
        for key in keys { try tables.forwards.forwards.table.remove(key, in: &transaction) }
        forwarding.count -= min(forwarding.count, UInt64(keys.count))
    }

    private func forwards(
        of endpoint: UInt64, _ range: Range<UInt64>, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [Forward] {
        var found: [Forward] = []
        try tables.forwards.forwards.scan(
            of: endpoint, from: range.lowerBound, to: range.upperBound, in: transaction
        ) { key, record in
            if let forward = ForwardRecord.decode(record, at: key) { found.append(forward) }
            return true
        }
        return found
    }

    package func forwards(
        at id: Endpoint.ID, before: UInt64, limit: Int, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> (forwards: [Forward], forwarding: Forwarding)? {
        try read(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            guard let endpoint = try current(id, at: moment, limits, in: transaction)?.endpoint.number else {
                return nil
            }
            var found: [Forward] = []
            var bytes = 0
            try tables.forwards.forwards.scanBackwards(of: endpoint, from: 0, to: before, in: transaction) {
                key, record in
                guard found.count < limit, bytes < Self.shownBytes else { return false }
                guard let forward = ForwardRecord.decode(record, at: key) else {
                    noteDamage("\(ForwardRecord.name) is damaged: number \(key.number)")
                    return true
                }
                bytes += record.byteCount
                found.append(forward)
                return true
            }
            return (found, try forwarding(number: endpoint, in: transaction))
        }
    }

    package func forwarding(
        of id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Forwarding? {
        try read(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            guard let endpoint = try current(id, at: moment, limits, in: transaction)?.endpoint.number else {
                return nil
            }
            return try forwarding(number: endpoint, in: transaction)
        }
    }

    /// What an endpoint has to do with forwards, rebuilt without its URLs if that is damaged.
    func forwarding(
        number endpoint: UInt64, in transaction: borrowing Transaction
    ) throws(LMDBError) -> Forwarding {
        if let forwarding = try tables.forwardings.readable(at: endpoint, in: transaction) { return forwarding }
        guard try tables.forwardings.contains(endpoint, in: transaction) else { return Forwarding() }
        noteDamage("\(ForwardingRecord.name) is damaged and is rebuilt without URLs: endpoint number \(endpoint)")
        return try tables.forwards.counted(of: endpoint, in: transaction)
    }

    // MARK: Standing forwards

    /// Sets the URLs of an endpoint's standing forwards. Those that are pending to other URLs are given up.
    func setForwards(
        _ urls: [String], of endpoint: UInt64, at moment: Moment, in transaction: inout Transaction
    ) throws(LMDBError) {
        var forwarding = try forwarding(number: endpoint, in: transaction)
        guard forwarding.urls != urls else { return }
        let removed = Set(forwarding.urls).subtracting(urls)
        forwarding.urls = urls
        if !removed.isEmpty {
            for key in try tables.forwards.pending(of: endpoint, in: transaction) {
                guard let before = try tables.forwards.forward(key.number, of: endpoint, in: transaction),
                    before.state == .pending, before.isStanding, removed.contains(before.url)
                else { continue }
                var forward = before
                forward.giveUp("the URL was removed from the endpoint's settings", at: moment)
                try end(forward, replacing: before, of: endpoint, &forwarding, in: &transaction)
            }
        }
        try tables.forwards.forwardings.put(forwarding, at: endpoint, in: &transaction)
    }
}

extension Forwarding {
    /// Whether so many more forwards may be pending, which keep so many bytes.
    func mayBegin(_ more: Int, bytes size: Int, _ limits: CaptureLimits) -> Bool {
        pending + UInt64(more) <= UInt64(max(0, limits.pendingForwards))
            && bytes + UInt64(size) <= UInt64(max(0, limits.bytesPerEndpoint))
    }
}
