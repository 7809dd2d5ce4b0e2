internal import HTTP
internal import Linux
internal import Values

/// Requests that wait: for news of the store, or for somebody outside.
extension ResponderLoop {
    // MARK: Requests that wait

    func park(_ connection: Connection, _ waiting: Waiting) {
        // No event will tell of it again.
        guard !connection.isHungUp else { return close(connection) }
        let time = now()
        if self.waiting.isEmpty { nextLook = time + lookInterval }
        switch self.waiting.place(connection.token, address: connection.client, subject: waiting.subject) {
        case .refused: return add(.now(waiting.tooMany), to: connection)
        case .placed: break
        case .insteadOf(let token):
            if let other = connections[token], case .waiting(let given, _) = other.state {
                release(other, .now(given.tooMany))
            }
        }
        connection.state = .waiting(waiting, until: time + Int64(waiting.milliseconds) * 1000)
        // Many may wait for long, and what waits never reads its body again.
        connection.request?.dropBody()
        if isStopping { release(connection, waiting.giveUp(mayBeLong: hasRoom(connection))) }
    }

    func hasRoom(_ connection: Connection) -> Bool { room.hasRoom(for: connection.client) }

    /// Sets memory aside for an answer that is made in parts, before it is begun.
    func reserve(_ answer: Answer, _ connection: Connection) {
        guard case .inParts = answer else { return }
        room.hold(AnswerRoom.partedBytes, for: connection.client, token: connection.token)
    }

    func release(_ connection: Connection, _ answer: Answer) {
        waiting.remove(connection.token)
        connection.state = .answering
        reserve(answer, connection)
        note(answer, to: connection)
    }

    /// Looks whether those who wait can be answered: all of them when the store has changed, and those whose time is up.
    ///
    /// A round that takes long makes the next one come later, so that looking costs a tenth of the time at the most.
    func lookAgain() {
        let start = now()
        guard !waiting.isEmpty, start >= nextLook else { return }
        let version = service.version
        let isChanged = version == nil || version != seenVersion
        seenVersion = version
        for token in waiting.tokens {
            guard let connection = connections[token], case .waiting(let waiting, let deadline) = connection.state
            else { continue }
            if isChanged, let answer = waiting.look(mayBeLong: hasRoom(connection)) {
                release(connection, answer)
            } else if start >= deadline {
                release(connection, waiting.giveUp(mayBeLong: hasRoom(connection)))
            }
        }
        finishTurn()
        let end = now()
        lookInterval = min(max(5000, 10 * (end - start)), 200_000)
        nextLook = end + lookInterval
    }

    // MARK: Requests that wait for somebody outside

    /// Has a request answered, or keeps it until what it waits for is known.
    /// - Parameter until: where it has waited before: for how long it may.
    func answer(_ request: consuming Request, on connection: Connection, until: Int64?) {
        request.mayBeLong = hasRoom(connection)
        connection.request = request
        connection.hasWaited = false
        let answer = service.answer(request)
        guard case .ask(let pending) = answer else {
            reserve(answer, connection)
            return note(answer, to: connection)
        }
        hasAsked = true
        if !ask(pending, on: connection, until: until) {
            connection.hasWaited = true
            note(answer, to: connection)
        }
    }

    /// Keeps the request of a connection until what it waits for is known; false where it may not wait.
    func ask(_ pending: Pending, on connection: Connection, until: Int64? = nil) -> Bool {
        let until = until ?? asking.deadline(now: now())
        guard now() < until, let request = connection.request, asking.hasRoom(for: connection.client, request) else {
            return false
        }
        // No event will tell of it again.
        guard !connection.isHungUp else {
            close(connection)
            return true
        }
        connection.state = .asking
        asking.add(
            AskingRequests.Entry(request: request, pending: pending, until: until, client: connection.client),
            token: connection.token)
        return true
    }

    /// Goes on with what others have been asked, and answers those who need not wait for it any longer.
    func inquire() {
        guard !inquiries.isEmpty else { return }
        var hasNews = false
        for inquiries in inquiries where hasInquired || inquiries.dueMicroseconds.map({ $0 <= now() }) == true {
            if inquiries.work() { hasNews = true }
        }
        hasInquired = false
        if hasNews {
            // What the work itself has written belongs to no request: it is committed alone, or not at all.
            if service.isTurnBroken { service.forgetTurn() }
            finishTurn()
        }
        guard hasNews || asking.nextDeadline != .max else { return }
        for (token, entry) in asking.takeOver(hasNews: hasNews, now: now()) {
            guard let connection = connections[token] else { continue }
            connection.state = .answering
            answer(entry.request, on: connection, until: entry.until)
        }
        finishTurn()
    }
}
