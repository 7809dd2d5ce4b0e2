internal import HTTP
internal import Linux
internal import Values

/// The waits of a handler, on the connection of its request.
extension Connection: RequestContext {
    var mayBeLong: Bool { loop.room.hasRoom(for: client) }

    func reserveForParts() {
        guard !isClosed else { return }
        loop.room.hold(AnswerRoom.partedBytes, for: client, token: token)
    }

    func committed() async throws(StoreFailure) {
        commitFailure = nil
        loop.committing.append(self)
        unsafe await withUnsafeContinuation { unsafe continuation = $0 }
        if let commitFailure { throw commitFailure }
    }

    func deadline(milliseconds: Int) -> Deadline {
        Deadline(microseconds: loop.now() + Int64(milliseconds) * 1000)
    }

    func news(for interest: any Interest, until deadline: Deadline) async -> Waking {
        guard loop.park(self, interest, until: deadline.microseconds) else { return waking }
        await pause()
        return waking
    }

    func outside(_ enrol: (Wakeup) -> Void) async -> Bool {
        guard let wakeup = loop.waitOutside(self) else { return false }
        enrol(wakeup)
        await pause()
        return waking == .news
    }
}

/// Requests that wait: for news in the store, or for results from outside it.
extension ResponderLoop {
    // MARK: News

    /// Has a request wait for news.
    /// - Returns: false if it may not wait; the connection's `waking` says why.
    func park(_ connection: Connection, _ interest: any Interest, until deadline: Int64) -> Bool {
        // The hang-up is not reported again.
        if connection.isHungUp { close(connection) }
        guard !connection.isClosed, !isStopping else {
            connection.waking = connection.isClosed ? .gone : .over
            return false
        }
        let time = now()
        if waiting.isEmpty { nextLook = time + lookInterval }
        switch waiting.place(connection.token, address: connection.client, subject: interest.subject) {
        case .refused:
            connection.waking = .refused
            return false
        case .placed: break
        case .insteadOf(let token): if let other = connections[token] { wake(other, .refused) }
        }
        connection.state = .parked(interest, until: deadline)
        // Many requests may wait for long, and none of them reads its body again.
        connection.request?.dropBody()
        connection.request?.trim()
        release(connection)
        return true
    }

    func wake(_ connection: Connection, _ waking: Waking) {
        waiting.remove(connection.token)
        connection.state = .answering
        connection.waking = waking
        connection.goOn()
    }

    /// Starts a check of which waiting requests can be answered: of all when the store has changed, else of those whose
    /// time is up.
    func lookAgain() {
        guard !waiting.isEmpty, !isLooking, now() >= nextLook else { return }
        isLooking = true
        let start = now()
        tasks?.look()
        finishTurn()
        // A long check delays the next one, by ten times its duration within 5 to 200 ms, to limit the time that checks
        // take.
        let end = now()
        lookInterval = min(max(5000, 10 * (end - start)), 200_000)
        nextLook = end + lookInterval
    }

    func lookForNews() async {
        let start = now()
        let version = service.version
        let isChanged = version == nil || version != seenVersion
        seenVersion = version
        var parked: [(token: UInt64, interest: any Interest, until: Int64)] = []
        for token in waiting.tokens {
            guard case .parked(let interest, let deadline)? = connections[token]?.state else { continue }
            if isChanged || start >= deadline { parked.append((token, interest, deadline)) }
        }
        let hasNews = isChanged && !parked.isEmpty ? await service.news(for: parked.map(\.interest)) : []
        for (index, (token, interest, deadline)) in parked.enumerated() {
            guard let connection = connections[token], case .parked(let current, _) = connection.state,
                current === interest
            else { continue }
            if isChanged, hasNews[index] {
                wake(connection, .news)
            } else if start >= deadline {
                wake(connection, .over)
            }
        }
        isLooking = false
    }

    // MARK: Results from outside

    /// Has a request wait for a result from outside the store; `nil` if it may not wait.
    func waitOutside(_ connection: Connection) -> Wakeup? {
        if connection.isHungUp { close(connection) }
        let until = connection.outsideDeadline ?? outside.deadline(now: now())
        connection.outsideDeadline = until
        let bytes = if case .whole(let body)? = connection.request?.body { body.count } else { 0 }
        guard !connection.isClosed, now() < until, outside.hasRoom(for: connection.client, bodyBytes: bytes) else {
            return nil
        }
        let wakeup = Wakeup()
        connection.state = .outside
        release(connection)
        outside.add(
            OutsideWaits.Entry(wakeup: wakeup, until: until, client: connection.client, bodyBytes: bytes),
            token: connection.token)
        return wakeup
    }

    /// Runs the sources that are ready or due, then resumes the requests whose wait is over.
    func goOnWithSources() {
        guard !sources.isEmpty else { return }
        var hasNews = false
        for source in sources where hasReadySource || source.dueMicroseconds.map({ $0 <= now() }) == true {
            if source.work() { hasNews = true }
        }
        hasReadySource = false
        guard hasNews || outside.nextDeadline != .max else { return }
        for (token, isDue) in outside.takeOver(hasNews: hasNews, now: now()) {
            if let connection = connections[token] { wake(connection, isDue ? .news : .over) }
        }
        finishTurn()
    }
}
