internal import HTTP
internal import Linux
internal import Values

/// Commits the transaction of a turn, and handles its failures.
extension ResponderLoop {
    /// Runs the tasks that can go on, then commits what they have written.
    func finishTurn() {
        // The service may also have counted requests that wrote nothing. It commits the counts once: if that fails, with
        // those of a later turn.
        var hasRun = goOnWithTasks()
        // A connection may already have its next request, whose writes then get a commit of their own. An open
        // transaction is committed even if no request waits for it, as after a look that found nothing, or a part: other
        // processes wait for its end.
        while !committing.isEmpty || service.isWriting || hasRun {
            hasRun = false
            let turn = committing
            committing = []
            let start = now()
            let outcome = service.commit()
            if case .nothing = outcome, turn.isEmpty { break }
            lastCommitMicroseconds = now() - start
            if outcome.failureOfOne != nil, turn.count > 1 {
                service.forgetTurn()
                remakeOneByOne(turn)
                continue
            }
            switch outcome {
            case .kept, .keptByNext:
                release(unsettled, nil)
                unsettledCommits += 1
            case .nothing, .failed:
                break
            }
            switch outcome {
            case .kept, .nothing: for connection in turn { connection.goOn() }
            case .keptByNext:
                for connection in turn { connection.request?.dropBody() }
                unsettled += turn
            case .failed(let failure): for connection in turn { fail(connection, failure) }
            }
            goOnWithTasks()
        }
    }

    /// Runs the tasks that can go on. If a request breaks the turn's transaction, the other requests are answered again
    /// without it.
    /// - Returns: whether a task has run.
    @discardableResult
    func goOnWithTasks() -> Bool {
        var before = committing.count
        var hasRun = false
        executor.drain {
            hasRun = true
            if service.isTurnBroken { breakTurn(requestsBefore: before) }
            before = committing.count
        }
        return hasRun
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

    /// Resumes requests whose writes were committed. `failure` says why the writes may be lost; `nil` if they are
    /// durable.
    func release(_ turn: [Connection], _ failure: StoreFailure?) {
        unsettled = []
        for connection in turn {
            if let failure { fail(connection, failure) } else { connection.goOn() }
        }
    }

    private func fail(_ connection: Connection, _ failure: StoreFailure) {
        connection.commitFailure = failure
        connection.goOn()
    }

    /// Makes the writes of earlier turns durable, unless a commit since then has done so.
    /// - Parameter commits: the value of `unsettledCommits` when the turn began.
    func settle(after commits: Int) {
        guard !unsettled.isEmpty, commits == unsettledCommits else { return }
        release(unsettled, service.settle())
        finishTurn()
    }
}
