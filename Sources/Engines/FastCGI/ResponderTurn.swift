internal import HTTP
internal import Values

/// The answers of a turn: when each is sent, and what happens where the turn's transaction fails.
extension ResponderLoop {
    /// Answers the requests of this turn: those that need no commit, then, once it is made, those whose writes are kept.
    func finishTurn() {
        // A connection may hold its next request already; that one is answered in a turn of its own.
        while !answered.isEmpty || hasAsked || service.isWriting {
            // Other processes wait for a transaction that is open, also where it answers nothing: that of a request that
            // asks, of a look that found nothing, or of a part of an answer.
            hasAsked = false
            sendCertain()
            let turn = uncertain
            uncertain = []
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
            for connection in turn {
                switch outcome {
                case .kept, .nothing: sendAnswer(to: connection)
                case .keptByNext:
                    connection.request?.dropBody()
                    unsettled.append(connection)
                case .failed(let failure): refuse(failure, to: connection)
                }
            }
        }
    }

    /// Sends the answers of this turn that are true whatever becomes of it, and sets the others aside. A connection that is
    /// answered may hold its next request; what that one writes is part of the turn, and so is its answer.
    func sendCertain() {
        while !answered.isEmpty {
            let turn = answered
            answered = []
            var certain: [Connection] = []
            for connection in turn {
                if connection.dependsOnCommit {
                    uncertain.append(connection)
                } else {
                    certain.append(connection)
                }
            }
            for connection in certain {
                switch connection.answer {
                case .wait(let waiting): park(connection, waiting)
                case .ask(let pending):
                    // One that was made again has not waited yet.
                    if connection.hasWaited || !ask(pending, on: connection) { sendAnswer(to: connection) }
                case .now: sendAnswer(to: connection)
                case .afterCommit, .madeAfterCommit, .inParts, nil: break
                }
            }
        }
    }

    func add(_ answer: Answer, to connection: Connection) {
        connection.answer = answer
        answered.append(connection)
    }

    func sendAnswer(to connection: Connection) {
        switch connection.answer {
        case .now(let response), .afterCommit(let response): send(response, to: connection)
        case .madeAfterCommit(let make): send(make(), to: connection)
        case .inParts(let response, let rest): send(connection.extend(response, by: rest), to: connection)
        case .ask(let pending): send(pending.giveUp(), to: connection)
        case .wait, nil: preconditionFailure("there is no answer to send")
        }
    }

    // MARK: Turns that fail

    /// Notes an answer. Where its request has broken the turn, the turn's other requests are made again without it.
    func note(_ answer: Answer, to connection: Connection) {
        add(final(answer, to: connection), to: connection)
        // Each round finds another request that breaks the turn, and leaves it out.
        while service.isTurnBroken {
            service.forgetTurn()
            let turn = uncertain + answered
            (uncertain, answered) = ([], [])
            for connection in turn {
                guard connection.dependsOnCommit, !service.isTurnBroken,
                    let request = connection.request
                else {
                    answered.append(connection)
                    continue
                }
                add(final(service.answer(request), to: connection), to: connection)
            }
        }
    }

    /// The answer to a request that has just been made; where it has broken the turn, it is not made again.
    func final(_ answer: Answer, to connection: Connection) -> Answer {
        guard answer.dependsOnCommit, service.isTurnBroken else { return answer }
        let failure = StoreFailure.unavailable("the transaction failed")
        return .now(response(to: failure, of: connection))
    }

    /// Makes the requests of a turn again whose commit has failed, each with a commit of its own.
    func remakeOneByOne(_ turn: [Connection]) {
        for connection in turn {
            guard let request = connection.request else {
                answered.append(connection)
                continue
            }
            note(service.answer(request), to: connection)
            finishTurn()
        }
    }

    /// Sends answers that waited for their writes to be kept; where these may be lost, says so instead.
    func release(_ answers: [Connection], _ failure: StoreFailure?) {
        unsettled = []
        for connection in answers {
            if let failure { refuse(failure, to: connection) } else { sendAnswer(to: connection) }
        }
    }

    func refuse(_ failure: StoreFailure, to connection: Connection) {
        send(response(to: failure, of: connection), to: connection)
    }

    func response(to failure: StoreFailure, of connection: Connection) -> Response {
        // Only what was understood has written something.
        connection.request.map { service.response(to: failure, at: $0.target) } ?? .failure(failure)
    }

    /// Settles the writes of turns before this one, unless a commit since then has done so.
    func settle(after commits: Int) {
        guard !unsettled.isEmpty, commits == unsettledCommits else { return }
        release(unsettled, service.settle())
        finishTurn()
    }
}
