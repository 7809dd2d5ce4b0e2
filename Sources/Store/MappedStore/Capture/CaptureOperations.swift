package import Capture
package import HTTP
internal import LMDB
package import Values

extension MappedCapture: CaptureStore {
    package func create(
        _ id: (UInt64) -> Endpoint.ID, name: String?, for request: RequestID?, from address: String?,
        at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Creation {
        let count = try read { (transaction) throws(LMDBError) in try tables.endpointIDs.count(in: transaction) }
        if limits.isScarce(total: count) {
            _ = try removeOverdue(at: moment, limits, limit: 16)
        }
        return try growing { (transaction) throws(LMDBError) in
            if case .created(let id) = try outcome(of: request, in: transaction) { return .created(id) }
            if name != nil, let other = try stored(id(0), in: transaction) {
                guard other.endpoint.isOverdue(at: moment.steady, limits) else { return .taken }
                guard try admit(bytes: 512, in: &transaction) else { return nil }
                try remove(other, in: &transaction)
            }
            let total = try tables.endpointIDs.count(in: transaction)
            guard total < limits.endpoints else { return .tooMany }
            let maker = Network(address)
            if limits.isScarce(total: total) {
                let own = try endpoints(madeBy: maker, upTo: limits.endpoints - total, in: &transaction)
                guard limits.mayCreate(total: total, own: own) else { return .tooManyOfAddress }
            }
            guard try admit(bytes: 256, in: &transaction) else { return nil }
            var state = try core.captureState(in: transaction)
            let id = id(state.nextEndpoint)
            var endpoint = Endpoint(
                id: id, number: state.nextEndpoint, created: moment.steady, lastUsed: moment.steady)
            endpoint.settings.name = name
            let record = EndpointRecord(endpoint: endpoint, indexedUse: moment.steady)
            state.nextEndpoint += 1
            try core.put(state, in: &transaction)
            try put(record, in: &transaction)
            try tables.endpointIDs.put(endpoint.number, at: id, in: &transaction)
            try tables.endpointUses.put(record.useKey, in: &transaction)
            try tables.endpointMakers.put(MakerKey(maker, endpoint.number), in: &transaction)
            try remember(.created(id), of: request, in: &transaction)
            return .created(id)
        }
    }

    package func accept(
        _ notification: Notification, at id: Endpoint.ID, for request: RequestID?, using use: ReceiverChange? = nil,
        confirming confirmation: Confirmation? = nil, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Acceptance {
        try growing(of: "endpoint \(id)") { (transaction) throws(LMDBError) -> Acceptance? in
            if try outcome(of: request, in: transaction) == .stored { return .stored }
            guard var record = try current(id, at: moment, limits, in: transaction) else { return .unknownEndpoint }
            let size = max(notification.body.count, notification.reading.decodedBytes)
            let acceptance = record.endpoint.acceptance(
                hasSubpath: !notification.path.isEmpty, size: size, limits)
            let mayDrop = record.endpoint.mayDrop(for: acceptance, size: size, limits)
            guard acceptance == .stored || mayDrop else { return acceptance }
            var changed: StoredReceiver?
            if let receiver = try receiver(of: record, in: transaction) {
                guard let use, use.base == receiver.version else { return .answers(receiver) }
                if let next = use.receiver, next.version != receiver.version { changed = next }
            }
            var notification = notification
            notification.delivery = SenderDelivery(
                of: notification.fields, named: record.endpoint.settings.deliveryHeader)
            var stored = Encoded<NotificationRecord>(notification)
            let others = (changed?.bytes ?? 0) + (confirmation.map(Self.bytes) ?? 0)
            guard try admit(bytes: stored.byteCount + others, in: &transaction) else { return nil }
            var standing: Forwarding?
            if record.endpoint.settings.hasForwards, limits.pendingForwards > 0 {
                let found = try forwarding(number: record.endpoint.number, in: transaction)
                guard
                    try admit(
                        bytes: stored.byteCount + forwardBytes(found.urls), largest: stored.byteCount, in: &transaction)
                else { return nil }
                standing = found
            }
            if notification.delivery != nil {
                guard try admit(bytes: 64, in: &transaction) else { return nil }
            }
            if let confirmation, try !begin(confirmation, of: record.endpoint.number, in: &transaction) {
                notification.outcome?.confirmation = .tooMany
                stored = Encoded(notification)
            }
            if let changed { try tables.receivers.put(changed, at: record.endpoint.number, in: &transaction) }
            if mayDrop { try dropOldest(of: &record.endpoint, for: size, limits, in: &transaction) }
            let floor = try core.lowestNumber(after: record.endpoint.next, in: &transaction)
            let number = record.endpoint.append(bytes: stored.weight, from: floor)
            record.endpoint.lastUsed = moment.steady
            try tables.notifications.put(stored, of: record.endpoint.number, at: number, in: &transaction)
            if var standing, !standing.urls.isEmpty {
                let content = ForwardContent(bytes: stored.bytes, hops: ForwardCall.hops(of: notification.fields))
                _ = try begin(
                    standing.urls, of: number, content, isStanding: true, record.endpoint.number, &standing,
                    at: moment, limits, in: &transaction)
                try tables.forwards.forwardings.put(standing, at: record.endpoint.number, in: &transaction)
            }
            try put(record, in: &transaction)
            try remember(.stored, of: request, in: &transaction)
            return .stored
        }
    }

    package func collect(
        from id: Endpoint.ID, for request: RequestID?, at moment: Moment, _ limits: CaptureLimits, mayBeLong: Bool
    ) throws(StoreFailure) -> Finding {
        try write(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            if case .collected(let number, let first, let end) = try outcome(
                of: request, in: transaction)
            {
                let range = NotificationRange(endpoint: number, first: first, end: end, collectedBy: request)
                return try finding(range, kept: first..<end, mayBeLong: mayBeLong, in: transaction)
            }
            guard var record = try current(id, at: moment, limits, in: transaction) else { return .unknownEndpoint }
            let number = record.endpoint.number
            let (first, end) = (record.endpoint.uncollected, record.endpoint.next)
            let owner = request ?? RequestID.made(at: moment)
            let range = NotificationRange(endpoint: number, first: first, end: end, collectedBy: owner)
            let found = try finding(range, kept: first..<end, mayBeLong: mayBeLong, in: transaction)
            guard found != .tooLong else { return found }
            record.endpoint.collectAll()
            record.endpoint.lastUsed = moment.steady
            try put(record, in: &transaction)
            if request == nil, case .notifications = found {
                // Without an id the request cannot be retried.
                try tables.notifications.remove(of: number, from: first, to: end, in: &transaction)
            } else if first < end {
                try remember(.collected(endpoint: number, first: first, end: end), of: owner, in: &transaction)
            }
            return found
        }
    }

    package func keepCollected(
        _ range: NotificationRange, from number: UInt64, at moment: Moment
    ) throws(StoreFailure) -> NotificationRange? {
        try write { (transaction) throws(LMDBError) in
            guard let before = range.collectedBy,
                case .collected(let endpoint, let first, let end) = try outcome(
                    of: before, in: transaction), endpoint == range.endpoint
            else { return nil }
            let request = RequestID.made(at: moment)
            let start = min(max(first, number), end)
            try tables.requests.forget(before, in: &transaction)
            try tables.notifications.remove(of: endpoint, from: first, to: start, in: &transaction)
            try remember(.collected(endpoint: endpoint, first: start, end: end), of: request, in: &transaction)
            return NotificationRange(endpoint: endpoint, first: start, end: end, collectedBy: request)
        }
    }

    package func acknowledge(
        through number: UInt64, at id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Bool {
        try write(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            guard var record = try current(id, at: moment, limits, in: transaction) else { return false }
            let first = record.endpoint.uncollected
            let end = number >= record.endpoint.next ? record.endpoint.next : max(first, number + 1)
            let freed = try tables.notifications.remove(
                of: record.endpoint.number, from: first, to: end, in: &transaction)
            record.endpoint.collect(to: end, count: freed.count, bytes: freed.bytes)
            record.endpoint.lastUsed = moment.steady
            try put(record, in: &transaction)
            return true
        }
    }

    package func configure(
        _ id: Endpoint.ID, _ configuration: Configuration, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Bool {
        var isOutdated = false
        let isKnown = try growing(of: "endpoint \(id)") { (transaction) throws(LMDBError) -> Bool? in
            guard var record = try current(id, at: moment, limits, in: transaction) else { return false }
            let before = record.endpoint.settings
            if let change = configuration.receiver, try receiver(of: record, in: transaction)?.version != change.base {
                isOutdated = true
                return true
            }
            guard try admit(configuration, in: &transaction) else { return nil }
            if let change = configuration.receiver {
                try put(change.receiver, of: record.endpoint.number, in: &transaction)
                if change.endsConfirmations {
                    try endConfirmations(
                        of: record.endpoint.number, "the recipe was removed", at: moment, in: &transaction)
                }
            }
            if let urls = configuration.forwards {
                try setForwards(urls, of: record.endpoint.number, at: moment, in: &transaction)
            }
            configuration.apply(to: &record.endpoint, at: moment)
            record.endpoint.lastUsed = moment.steady
            if record.endpoint.settings != before { try index(&record, at: moment, limits, in: &transaction) }
            try put(record, in: &transaction)
            return true
        }
        if isOutdated { throw .rolledBack }
        return isKnown
    }

    package func receiver(
        of id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> StoredReceiver? {
        try read(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            guard let record = try current(id, at: moment, limits, in: transaction) else { return nil }
            return try receiver(of: record, in: transaction)
        }
    }

    package func receiverToChange(
        of id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> StoredReceiver? {
        try write(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            guard let record = try current(id, at: moment, limits, in: transaction) else { return nil }
            return try receiver(of: record, in: transaction)
        }
    }

    private func receiver(
        of record: EndpointRecord, in transaction: borrowing Transaction
    ) throws(LMDBError) -> StoredReceiver? {
        guard record.endpoint.settings.hasReceiver else { return nil }
        return try tables.receivers.value(at: record.endpoint.number, in: transaction)
    }

    /// Whether there is room for what a configuration adds.
    private func admit(_ configuration: Configuration, in transaction: inout Transaction) throws(LMDBError) -> Bool {
        var bytes = configuration.receiver?.receiver?.bytes ?? 0
        if let urls = configuration.forwards, !urls.isEmpty { bytes += forwardBytes(urls) }
        guard bytes > 0 else { return true }
        return try admit(bytes: bytes, in: &transaction)
    }

    /// Stores or removes an endpoint's receiver.
    private func put(
        _ receiver: StoredReceiver?, of number: UInt64, in transaction: inout Transaction
    ) throws(LMDBError) {
        if let receiver {
            try tables.receivers.put(receiver, at: number, in: &transaction)
        } else {
            try tables.receivers.remove(number, in: &transaction)
        }
    }

    package func endpoint(
        _ id: Endpoint.ID, at moment: Moment, _ limits: CaptureLimits
    ) throws(StoreFailure) -> Endpoint? {
        try read(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            try current(id, at: moment, limits, in: transaction)?.endpoint
        }
    }

    package func delete(_ id: Endpoint.ID) throws(StoreFailure) -> Bool {
        try write(of: "endpoint \(id)") { (transaction) throws(LMDBError) in
            guard let record = try stored(id, in: transaction) else { return false }
            try remove(record, in: &transaction)
            return true
        }
    }

    package func count(_ event: CaptureEvent) { pending.counters[event] += 1 }

    package func overview(newest limit: Int) throws(StoreFailure) -> Overview {
        let counted = pending.counters
        return try read { (transaction) throws(LMDBError) in
            var newest: [Endpoint] = []
            try tables.endpoints.scanBackwards(in: transaction) { _, record in
                guard newest.count < limit else { return false }
                guard let record else {
                    noteDamage("an endpoint's record is damaged")
                    return true
                }
                newest.append(record.endpoint)
                return true
            }
            return Overview(
                counters: try core.captureState(in: transaction).counters + counted,
                total: try tables.endpointIDs.count(in: transaction), newest: newest.reversed())
        }
    }

    package func removeOverdue(
        at moment: Moment, _ limits: CaptureLimits, limit: Int
    ) throws(StoreFailure) -> Int {
        let candidates = try read { (transaction) throws(LMDBError) in
            try dueEndpoints(at: moment.steady, limits, limit: limit, in: transaction)
        }
        guard !candidates.isEmpty else { return 0 }
        try write { (transaction) throws(LMDBError) in
            for (number, indexedUse) in candidates {
                let found = try sparing("endpoint \(number)") { () throws(LMDBError) in
                    try tables.endpoints.value(at: number, in: transaction)
                }
                guard var record = found else {
                    // The endpoint is damaged or deleted. Its entry must not stay in front of the others.
                    if let indexedUse {
                        try tables.endpointUses.remove(TimedNumber(indexedUse, number), in: &transaction)
                    }
                    continue
                }
                if record.endpoint.isOverdue(at: moment.steady, limits) {
                    try remove(record, in: &transaction)
                } else if record.indexedUse != record.endpoint.indexedUse(at: moment.steady, limits) {
                    // The endpoint was used since it was indexed. It is looked at again when that use is old.
                    try index(&record, at: moment, limits, in: &transaction)
                    try put(record, in: &transaction)
                }
            }
        }
        return candidates.count
    }
}

extension StoredReceiver {
    /// Roughly the bytes of its record.
    fileprivate var bytes: Int { settings.count + (sealedSecrets?.count ?? 0) + 16 * positions.count + 64 }
}
