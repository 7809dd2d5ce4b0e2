internal import HTTP
internal import Linux
internal import SystemPackage
internal import Values

/// Commits the transaction of a turn, and handles its failures.
extension ResponderLoop {
    /// Runs the tasks that can go on, then commits what they have written.
    func finishTurn() {
        goOnWithTasks()
        // The service may also have counted requests that wrote nothing. It commits the counts once: if that fails, with
        // those of a later turn.
        // A connection may already have its next request, whose writes then get a commit of their own. An open
        // transaction is committed even if no request waits for it, as after a look that found nothing, or a part: other
        // processes wait for its end.
        while !committing.isEmpty || service.isWriting || hasAnswered {
            hasAnswered = false
            let turn = committing
            committing = []
            let outcome = service.commit()
            if case .nothing = outcome, turn.isEmpty { break }
            if outcome.failureOfOne != nil, turn.count > 1 {
                service.forgetTurn()
                remakeOneByOne(turn)
                continue
            }
            switch outcome {
            case .committed, .nothing: for connection in turn { connection.goOn() }
            case .failed(let failure): for connection in turn { fail(connection, failure) }
            }
            goOnWithTasks()
        }
        turnBodyBytes = 0
    }

    /// Runs the tasks that can go on, and makes the operations that they wait for. If a request breaks the turn's transaction, the other requests are answered again
    /// without it.
    func goOnWithTasks() {
        repeat {
            var before = committing.count
            executor.drain {
                if service.isTurnBroken { breakTurn(requestsBefore: before) }
                before = committing.count
            }
        } while service.makeGathered()
    }

    /// Rolls back the turn's transaction, which a request has broken, and has the requests before it answered again.
    /// Each call leaves out one more such request.
    /// - Parameter count: how many requests already waited for the commit when the one that broke the transaction ran.
    private func breakTurn(requestsBefore count: Int) {
        service.forgetTurn()
        let turn = committing
        committing = []
        for connection in turn[..<count] { fail(connection, .rolledBack) }
        // A request that waits for the commit although it broke the transaction would break it again each time.
        for connection in turn[count...] { fail(connection, .unavailable("the transaction of the request failed")) }
    }

    /// Has the requests of a failed commit answered again, each with a commit of its own.
    private func remakeOneByOne(_ turn: [Connection]) {
        for connection in turn {
            fail(connection, .rolledBack)
            finishTurn()
        }
    }

    private func fail(_ connection: Connection, _ failure: StoreFailure) {
        connection.commitFailure = failure
        connection.goOn()
    }

    // MARK: Tickets

    /// Has the answers wait that depend on a transaction that is not durable yet.
    func hold(_ connection: Connection) async throws(StoreFailure) {
        let ticket = service.ticket
        guard !service.isDurable(ticket), connection.readAt != nil else { return }
        connection.commitFailure = nil
        connection.request?.dropBody()
        release(connection)
        undurable.append((ticket, connection))
        await connection.pause()
        if let failure = connection.commitFailure { throw failure }
    }

    /// Makes durable what answers wait for, or begins to, and resumes those whose ticket is durable.
    func flush() {
        while let last = undurable.last {
            if !service.isDurable(last.ticket), let failure = service.beginFlush() {
                let held = undurable
                undurable = []
                for (_, connection) in held { fail(connection, failure) }
            } else {
                let end = undurable.firstIndex { !service.isDurable($0.ticket) } ?? undurable.count
                guard end > 0 else { return }
                let durable = undurable[..<end]
                undurable.removeFirst(end)
                for (_, connection) in durable { connection.goOn() }
            }
            // The connections may have their next requests already.
            finishTurn()
        }
    }
}
