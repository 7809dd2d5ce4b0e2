internal import HTTP
internal import Linux
internal import Values

/// The transaction of a turn: which requests wait for it, and what happens where it fails.
extension ResponderLoop {
    /// Has the tasks that can go on do so, then commits what they have written.
    func finishTurn() {
        goOnWithTasks()
        // A connection may hold its next request already; that one is answered in a turn of its own. Other processes wait for a
        // transaction that is open, also where nobody waits for it: that of a look that found nothing, or of a part.
        while !committing.isEmpty || service.isWriting {
            let turn = committing
            committing = []
            let start = now()
            let outcome = service.commit()
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

    /// Runs the tasks that can go on. Where a request breaks the turn, the turn's other requests are made again without it.
    func goOnWithTasks() {
        var before = committing.count
        executor.drain {
            if service.isTurnBroken { breakTurn(requestsBefore: before) }
            before = committing.count
        }
    }

    /// Each time another request that breaks the turn is found, and left out.
    /// - Parameter count: how many of those that wait did so before the one that has broken it.
    private func breakTurn(requestsBefore count: Int) {
        service.forgetTurn()
        let turn = committing
        committing = []
        for connection in turn[..<count] { fail(connection, .rolledBack) }
        // One that goes on all the same after it has broken the turn would do so each time.
        for connection in turn[count...] { fail(connection, .unavailable("the transaction failed")) }
    }

    /// Makes the requests of a turn again whose commit has failed, each with a commit of its own.
    private func remakeOneByOne(_ turn: [Connection]) {
        for connection in turn {
            fail(connection, .rolledBack)
            finishTurn()
        }
    }

    /// Has requests go on whose writes were committed; where these may be lost, tells them so.
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

    /// Settles the writes of turns before this one, unless a commit since then has done so.
    func settle(after commits: Int) {
        guard !unsettled.isEmpty, commits == unsettledCommits else { return }
        release(unsettled, service.settle())
        finishTurn()
    }
}
