package import HTTP
internal import HTTPTypes
package import Linux
package import Logging
package import SystemPackage
internal import Values

/// One thread that reads the requests of all connections, has them answered, has what they wrote committed as one, and
/// then sends the answers.
///
/// While a commit waits for the disk the next requests gather, so that as many as wait share the next one.
package final class ResponderLoop {
    private let listener: FileDescriptor
    private let service: any Service
    private let inquiries: [any Inquiries]
    private let bodyLimit: Int
    private let heartbeat: Heartbeat?
    private let logger: Logger
    private let epoll: Epoll
    private let signals: SignalQueue

    private var connections: [UInt64: Connection] = [:]
    private var nextToken: UInt64 = Token.first
    private var waiting: ParkedRequests
    private var room: AnswerRoom
    /// Connections whose server takes no bytes of an answer at the moment, and when to look at them next.
    private var stalled: Set<UInt64> = []
    private var nextStallCheck: Int64 = 0
    private let sendMicroseconds: Int64
    private var asking = AskingRequests()
    /// Whether a request of this turn asks somebody.
    private var hasAsked = false
    /// Whether the inquiries can be gone on with.
    private var hasInquired = false
    private var ready: [(UInt64, Epoll.Events)] = []
    /// Connections whose requests were answered in this turn.
    private var answered: [Connection] = []
    /// Those of them whose answers depend on the commit, while the other answers are sent.
    private var uncertain: [Connection] = []
    /// Those whose answers wait for their writes to be kept, and how many commits there had been with theirs.
    private var unsettled: [Connection] = []
    private var unsettledCommits = 0
    private var lastCommitMicroseconds: Int64 = 0
    /// Connections whose answers go on once their next part is made, the longest waiting first.
    private var unfinished: [UInt64] = []
    private var buffer = [UInt8](repeating: 0, count: 65536)

    private var isStopping = false
    private var stopsAt = Int64.max
    /// While descriptors have run out nobody is accepted until this time.
    private var acceptsAgainAt: Int64?
    private var seenVersion: UInt64?
    private var nextLook: Int64 = 0
    private var lookInterval: Int64 = 5000

    private enum Token {
        static let listener: UInt64 = 0
        static let signals: UInt64 = 1
        /// One for each of the inquiries.
        static let inquiries: UInt64 = 2
        static let first: UInt64 = 16
    }

    /// - Parameters:
    ///   - listener: a listening socket; it is shared with other processes and stays open.
    ///   - inquiries: what requests of the service wait for besides its store.
    ///   - bodyLimit: bytes that a request's body may have; of a longer one, the handler is told just that.
    ///   - parkedLimit: how many requests may wait for news. Each one holds a connection of the server.
    ///   - sendSeconds: a connection is closed where no byte of an answer was taken for so long.
    ///   - answerBytes: memory that answers may hold while their clients take them.
    ///   - heartbeat: shows the supervisor that the loop turns.
    package init(
        listener: FileDescriptor, service: any Service, inquiries: [any Inquiries] = [], bodyLimit: Int,
        parkedLimit: Int = 2000, sendSeconds: Double = 60, answerBytes: Int = 64 << 20, heartbeat: Heartbeat? = nil,
        logger: Logger
    ) throws(Errno) {
        self.listener = listener
        self.service = service
        self.inquiries = inquiries
        self.bodyLimit = bodyLimit
        self.heartbeat = heartbeat
        self.logger = logger
        waiting = ParkedRequests(limit: parkedLimit)
        room = AnswerRoom(limitBytes: answerBytes)
        sendMicroseconds = Int64(sendSeconds * 1e6)
        LibraryRequest.prepareLibrary()
        Signal.ignoreBrokenPipes()
        signals = try SignalQueue([Signal.terminate, Signal.interrupt, Signal.hangUp])
        epoll = try Epoll()
        try UnixSocket.makeNonBlocking(listener)
        try epoll.add(listener, .readable, token: Token.listener)
        try epoll.add(signals.descriptor, .readable, token: Token.signals)
        for (index, inquiries) in inquiries.enumerated() {
            try epoll.add(inquiries.descriptor, .readable, token: Token.inquiries + UInt64(index))
        }
    }

    /// Serves until SIGTERM or SIGINT, then answers what it has and returns. SIGHUP answers those who wait, at once.
    /// - Parameter shutdownSeconds: how long the last answers may take to be read.
    package func run(shutdownSeconds: Double) throws(Errno) {
        while !isOver {
            heartbeat?.beat()
            // What has arrived meanwhile goes into the commit that settles the one before.
            let commits = unsettledCommits
            let waits = unsettled.isEmpty && unfinished.isEmpty
            try epoll.wait(milliseconds: waits ? timeout() : 0) { ready.append(($0, $1)) }
            handleReady(shutdownSeconds, inHalves: breaksStep)
            if service.gathers {
                // Where another process wrote, requests have gathered while this one waited for its turn.
                try epoll.wait(milliseconds: 0) { ready.append(($0, $1)) }
                handleReady(shutdownSeconds, inHalves: false)
            }
            finishTurn()
            settle(after: commits)
            goOn()
            resumeAccepting()
            inquire()
            lookAgain()
            dropStalled()
        }
    }

    /// What has begun in the background is finished before the loop ends, also where its client has gone.
    private var isOver: Bool {
        guard isStopping else { return false }
        return connections.isEmpty && !inquiries.contains(where: \.isBusy) || now() >= stopsAt
    }

    /// - Parameter inHalves: whether to make two turns out of one.
    private func handleReady(_ shutdownSeconds: Double, inHalves: Bool) {
        let half = inHalves ? ready.count / 2 : 0
        for (index, (token, events)) in ready.enumerated() {
            if half > 0, index == half { finishTurn() }
            switch token {
            case Token.listener: accept()
            case Token.signals: takeSignals(shutdownSeconds)
            case Token.inquiries..<Token.first: hasInquired = true
            default: handle(token, events)
            }
        }
        ready.removeAll(keepingCapacity: true)
    }

    private func now() -> Int64 { SystemClock.bootTimeMicroseconds() }

    private func timeout() -> Int? {
        var next = min(stopsAt, asking.nextDeadline)
        for inquiries in inquiries { next = min(next, inquiries.dueMicroseconds ?? .max) }
        if !waiting.isEmpty { next = min(next, nextLook) }
        if !stalled.isEmpty { next = min(next, nextStallCheck) }
        if let acceptsAgainAt { next = min(next, acceptsAgainAt) }
        let pause = next == .max ? nil : Int(max(0, next - now()) + 999) / 1000
        return heartbeat == nil ? pause : min(pause ?? .max, Heartbeat.milliseconds)
    }

    // MARK: Connections

    private func accept() {
        do throws(Errno) {
            for _ in 0..<256 {
                guard let descriptor = try UnixSocket.accept(listener) else { return }
                let connection = Connection(descriptor, token: nextToken)
                nextToken += 1
                try epoll.add(descriptor, [.readable, .hangUp, .edgeTriggered], token: connection.token)
                connections[connection.token] = connection
            }
        } catch {
            // Too many open files, as a rule: those who wait stay in the backlog meanwhile.
            logger.warning("cannot accept a connection", metadata: ["error": "\(error)"])
            try? epoll.remove(listener)
            acceptsAgainAt = now() + 200_000
        }
    }

    private func resumeAccepting() {
        guard let time = acceptsAgainAt, now() >= time, !isStopping else { return }
        acceptsAgainAt = nil
        try? epoll.add(listener, .readable, token: Token.listener)
    }

    private func close(_ connection: Connection, _ reason: String? = nil) {
        if let reason { logger.warning("closed a connection", metadata: ["reason": "\(reason)"]) }
        connections[connection.token] = nil
        waiting.remove(connection.token)
        asking.remove(connection.token)
        room.release(connection.token)
        stalled.remove(connection.token)
    }

    private func handle(_ token: UInt64, _ events: Epoll.Events) {
        guard let connection = connections[token] else { return }
        if !events.isDisjoint(with: .hangUp) { connection.isHungUp = true }
        switch connection.state {
        case .receiving:
            receive(connection)
        case .answering:
            connection.mayHaveMore = true
        case .waiting, .asking:
            // The server closes the connection when its client has gone. It sends nothing else before the answer.
            close(connection)
        case .sending:
            if events.contains(.readable) { connection.mayHaveMore = true }
            advance(connection)
        }
    }

    /// Whether to make two turns out of one.
    ///
    /// On a slow disk all clients may come to wait for the same commit, then for its settling, and nothing else happens
    /// meanwhile. Once they are two groups, the commit of the one settles that of the other, which is answered and sends
    /// again during the next.
    private var breaksStep: Bool { unsettled.isEmpty && ready.count >= 16 && lastCommitMicroseconds >= 1000 }

    private func receive(_ connection: Connection) {
        switch connection.receive(&buffer, bodyLimit: bodyLimit) {
        case .request(let request):
            connection.readAt = request.isOperational ? nil : now()
            answer(request, on: connection, until: nil)
        case .invalidRequest(let error):
            connection.readAt = now()
            add(.now(.text(.badRequest, "\(error).")), to: connection)
        case .nothing: if isStopping || connection.isHungUp { close(connection) }
        case .ended(let reason): close(connection, reason)
        }
    }

    // MARK: Answers

    /// Answers the requests of this turn: those that need no commit, then, once it is made, those whose writes are kept.
    private func finishTurn() {
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
    private func sendCertain() {
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

    private func add(_ answer: Answer, to connection: Connection) {
        connection.answer = answer
        answered.append(connection)
    }

    private func sendAnswer(to connection: Connection) {
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
    private func note(_ answer: Answer, to connection: Connection) {
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
    private func final(_ answer: Answer, to connection: Connection) -> Answer {
        guard answer.dependsOnCommit, service.isTurnBroken else { return answer }
        let failure = StoreFailure.unavailable("the transaction failed")
        return .now(response(to: failure, of: connection))
    }

    /// Makes the requests of a turn again whose commit has failed, each with a commit of its own.
    private func remakeOneByOne(_ turn: [Connection]) {
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
    private func release(_ answers: [Connection], _ failure: StoreFailure?) {
        unsettled = []
        for connection in answers {
            if let failure { refuse(failure, to: connection) } else { sendAnswer(to: connection) }
        }
    }

    private func refuse(_ failure: StoreFailure, to connection: Connection) {
        send(response(to: failure, of: connection), to: connection)
    }

    private func response(to failure: StoreFailure, of connection: Connection) -> Response {
        // Only what was understood has written something.
        connection.request.map { service.response(to: failure, at: $0.target) } ?? .failure(failure)
    }

    /// Settles the writes of turns before this one, unless a commit since then has done so.
    private func settle(after commits: Int) {
        guard !unsettled.isEmpty, commits == unsettledCommits else { return }
        release(unsettled, service.settle())
        finishTurn()
    }

    private func send(_ response: Response, to connection: Connection) {
        if let readAt = connection.readAt {
            service.count(connection.request?.target, status: response.head.status.code, microseconds: now() - readAt)
        }
        // The client has to try again: nothing may hold more memory than there is for answers.
        if response.body.count > AnswerRoom.freeBytes, !room.hasRoom(for: connection.client, bytes: response.body.count)
        {
            return close(connection, "no memory for an answer of \(response.body.count) bytes to \(connection.client)")
        }
        connection.progressAt = now()
        connection.send(response)
        advance(connection)
    }

    /// Makes the next part of one answer. The others have their turns after those who have asked meanwhile.
    private func goOn() {
        guard !unfinished.isEmpty, let connection = connections[unfinished.removeFirst()] else { return }
        do throws(StoreFailure) {
            try connection.makePart()
        } catch {
            close(connection, "broken off: \(error)")
            return finishTurn()
        }
        // What the part has written is committed before its bytes are sent.
        finishTurn()
        advance(connection)
        finishTurn()
    }

    private func advance(_ connection: Connection) {
        let before = connection.sending?.sentBytes
        guard connection.advance() else { return close(connection) }
        note(connection, sentBefore: before)
        switch connection.state {
        case .sending where connection.awaitsPart:
            if !unfinished.contains(connection.token) { unfinished.append(connection.token) }
        case .sending: watch(connection, forRoom: true)
        case .receiving where isStopping: close(connection)
        case .receiving:
            watch(connection, forRoom: false)
            if connection.mayHaveMore { receive(connection) }
        default: break
        }
    }

    /// Notes what the answer on a connection holds now, and whether the server has taken some of it.
    private func note(_ connection: Connection, sentBefore: Int?) {
        guard let (sent, held) = connection.sending else {
            room.release(connection.token)
            stalled.remove(connection.token)
            return
        }
        room.hold(held, for: connection.client, token: connection.token)
        if sent != sentBefore { connection.progressAt = now() }
        if stalled.isEmpty { nextStallCheck = now() + min(1_000_000, sendMicroseconds) }
        stalled.insert(connection.token)
    }

    /// Closes connections whose server has taken nothing of an answer for too long: its client does not read.
    private func dropStalled() {
        guard !stalled.isEmpty, now() >= nextStallCheck else { return }
        nextStallCheck = now() + min(1_000_000, sendMicroseconds)
        for token in stalled {
            guard let connection = connections[token] else {
                stalled.remove(token)
                continue
            }
            guard now() - connection.progressAt >= sendMicroseconds else { continue }
            logger.info("closed a connection: its client did not read", metadata: ["client": "\(connection.client)"])
            close(connection)
        }
    }

    /// Has events reported for when the socket takes bytes again, or no longer. Those that hold already are reported.
    private func watch(_ connection: Connection, forRoom awaitsRoom: Bool) {
        guard awaitsRoom != connection.awaitsRoom else { return }
        connection.awaitsRoom = awaitsRoom
        var events: Epoll.Events = [.readable, .hangUp, .edgeTriggered]
        if awaitsRoom { events.insert(.writable) }
        do throws(Errno) {
            try epoll.change(connection.descriptor, to: events, token: connection.token)
        } catch {
            close(connection, "\(error)")
        }
    }

    // MARK: Requests that wait

    private func park(_ connection: Connection, _ waiting: Waiting) {
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

    private func hasRoom(_ connection: Connection) -> Bool { room.hasRoom(for: connection.client) }

    /// Sets memory aside for an answer that is made in parts, before it is begun.
    private func reserve(_ answer: Answer, _ connection: Connection) {
        guard case .inParts = answer else { return }
        room.hold(AnswerRoom.partedBytes, for: connection.client, token: connection.token)
    }

    private func release(_ connection: Connection, _ answer: Answer) {
        waiting.remove(connection.token)
        connection.state = .answering
        reserve(answer, connection)
        note(answer, to: connection)
    }

    /// Looks whether those who wait can be answered: all of them when the store has changed, and those whose time is up.
    ///
    /// A round that takes long makes the next one come later, so that looking costs a tenth of the time at the most.
    private func lookAgain() {
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
    private func answer(_ request: consuming Request, on connection: Connection, until: Int64?) {
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
    private func ask(_ pending: Pending, on connection: Connection, until: Int64? = nil) -> Bool {
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
    private func inquire() {
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

    // MARK: Stopping

    private func takeSignals(_ shutdownSeconds: Double) {
        while let signal = signals.next() {
            if signal == Signal.hangUp { releaseAll() } else { stop(within: shutdownSeconds) }
        }
    }

    private func releaseAll() {
        for token in waiting.tokens {
            guard let connection = connections[token], case .waiting(let waiting, _) = connection.state else {
                continue
            }
            release(connection, waiting.giveUp(mayBeLong: hasRoom(connection)))
        }
    }

    private func stop(within seconds: Double) {
        guard !isStopping else { return }
        isStopping = true
        stopsAt = now() + Int64(seconds * 1e6)
        if acceptsAgainAt == nil { try? epoll.remove(listener) }
        acceptsAgainAt = nil
        releaseAll()
        // Half of the time, so that the other half is left for the answers to be read.
        asking.end(by: now() + Int64(seconds * 0.5e6))
        for connection in connections.values {
            if case .receiving = connection.state { receive(connection) }
        }
    }
}
