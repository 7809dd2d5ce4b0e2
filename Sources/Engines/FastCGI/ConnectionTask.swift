internal import HTTP
internal import HTTPTypes
internal import Linux
internal import SystemPackage
internal import Values

/// Isolates the loop and its connections: all their code runs on the loop's executor.
actor ConnectionTasks {
    private let loop: ResponderLoop
    private nonisolated let executor: LoopExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    init(_ loop: sending ResponderLoop, _ executor: LoopExecutor) {
        self.loop = loop
        self.executor = executor
    }

    func run(shutdownSeconds: Double) throws(Errno) {
        loop.tasks = self
        defer { loop.tasks = nil }
        try loop.run(shutdownSeconds: shutdownSeconds)
    }

    /// Starts a task that serves connections, this one first. It begins when the executor is next drained.
    nonisolated func begin(_ token: UInt64) {
        Task.immediate(executorPreference: executor) { await self.serve(token) }
    }

    /// Starts a task that looks for news. It begins when the executor is next drained.
    nonisolated func look() {
        Task.immediate(executorPreference: executor) { await self.lookForNews() }
    }

    private func serve(_ token: UInt64) async { await loop.serve(first: token) }

    private func lookForNews() async { await loop.lookForNews() }
}

extension Connection {
    /// Waits until the loop resumes the task.
    func pause() async {
        unsafe await withUnsafeContinuation { unsafe continuation = $0 }
    }

    /// Resumes the task if it waits.
    func goOn() {
        guard let waiting = unsafe continuation else { return }
        unsafe continuation = nil
        unsafe waiting.resume()
    }

    /// Whether all bytes so far are sent and the next part of the answer has to be made.
    var awaitsPart: Bool { response?.awaitsPart ?? false }
}

/// The work of a connection's task.
extension ResponderLoop {
    /// Reads a request that has arrived on a connection, and gives it to an idle task, or to a new one if no task is idle.
    ///
    /// All requests of a turn are read before the first is answered: other processes wait from the first write of a turn to
    /// its commit.
    func begin(_ connection: Connection) {
        connection.mayHaveMore = true
        readNext(on: connection)
        guard connection.request != nil || connection.response != nil else { return }
        if !idleTasks.serve(connection.token) { tasks?.begin(connection.token) }
    }

    /// Serves a connection, then waits as an idle task for the next one. Ends when enough tasks are idle.
    func serve(first: UInt64) async {
        var token: UInt64? = first
        while let next = token {
            if let connection = connections[next] { await serve(connection) }
            guard idleTasks.hasRoom else { return }
            token = unsafe await withUnsafeContinuation { unsafe idleTasks.add($0) }
        }
    }

    /// Whether the body of another request may be held in memory.
    func hasRoom(forBody bytes: Int) -> Bool { bytes <= Self.shortBody || heldBodyBytes <= Self.heldBodyLimit }

    /// Notes that a request holds its body no longer, or is counted elsewhere.
    func release(_ connection: Connection) {
        guard connection.heldBodyBytes > 0 else { return }
        heldBodyBytes -= connection.heldBodyBytes
        connection.heldBodyBytes = 0
        postponed += crowded
        crowded = []
    }

    /// Reads, answers and sends, one request after the other, until no more have arrived.
    ///
    /// While an asynchronous function waits, it holds the memory for everything that it needs at any time. Many requests
    /// wait, so the work is done in functions that do not wait and are not inlined.
    private func serve(_ connection: Connection) async {
        repeat {
            if let request = connection.request { await answer(request, on: connection) }
            if connection.response != nil { await sendRest(on: connection) }
            readNext(on: connection)
        } while !connection.isClosed && (connection.request != nil || connection.response != nil)
    }

    /// Reads requests until one is there for the service, or an answer that was made here is being sent. The connection is
    /// `receiving` if neither is.
    @inline(never)
    private func readNext(on connection: Connection) {
        connection.state = .answering
        while connection.mayHaveMore, !connection.isClosed {
            guard turnBodyBytes <= Self.turnBodyLimit else {
                postponed.append(connection.token)
                break
            }
            receive(on: connection)
            guard connection.request == nil, connection.response == nil else { return }
        }
        connection.state = .receiving
    }

    /// Reads the request that has arrived. An invalid one is answered here.
    private func receive(on connection: Connection) {
        switch connection.receive(&buffer, bodyLimit: bodyLimit) {
        case .request(let request):
            connection.readAt = request.isOperational ? nil : now()
            connection.request = request
            if case .whole(let body) = request.body {
                turnBodyBytes += body.count
                if body.count > Self.shortBody { connection.heldBodyBytes = body.count }
                heldBodyBytes += connection.heldBodyBytes
            }
        case .invalidRequest(let error):
            refuse(.text(.badRequest, "\(error)."), on: connection)
        case .unkeepable:
            let text = "The disk has no room for a request of this length."
            refuse(.text(.insufficientStorage, text).retryAfter(5), on: connection)
        case .nothing:
            connection.mayHaveMore = false
            if isStopping || connection.isHungUp { close(connection) }
        case .crowded:
            connection.mayHaveMore = false
            if !crowded.contains(connection.token) { crowded.append(connection.token) }
        case .ended(let reason): close(connection, reason)
        }
    }

    /// Answers a request that does not reach the service.
    private func refuse(_ response: Response, on connection: Connection) {
        connection.state = .answering
        connection.readAt = now()
        send(.whole(response), on: connection)
    }

    private func answer(_ request: Request, on connection: Connection) async {
        connection.outsideDeadline = nil
        var answer: Answer?
        repeat {
            connection.commitFailure = nil
            hasAnswered = true
            do throws(StoreFailure) {
                let made = try await service.answer(request, connection)
                try await hold(connection)
                answer = made
            } catch {
                answer = self.answer(to: error, request, on: connection)
            }
        } while answer == nil
        release(connection)
        if let answer { send(answer, on: connection) }
    }

    /// The answer to a request for which the store failed; `nil` if the request has to be answered again.
    @inline(never)
    private func answer(to failure: StoreFailure, _ request: Request, on connection: Connection) -> Answer? {
        // Another request broke the transaction that they shared.
        if case .rolledBack = failure { return nil }
        // The failure of a commit is reported once for all its requests, not here.
        if connection.commitFailure == nil { service.report(failure) }
        return .whole(service.response(to: failure, at: request.target))
    }

    /// Sends an answer until the socket takes no more. The rest is left in the connection's `response`.
    @inline(never)
    private func send(_ answer: Answer, on connection: Connection) {
        guard !connection.isClosed, begin(answer, on: connection) else { return }
        advance(connection)
    }

    @inline(never)
    private func sendRest(on connection: Connection) async {
        while connection.response != nil {
            if connection.awaitsPart {
                await makePart(connection)
            } else {
                watch(connection, forRoom: true)
                guard !connection.isClosed else { return }
                await connection.pause()
            }
            if !connection.isClosed { advance(connection) }
        }
    }

    /// Continues sending until the socket takes no more.
    @inline(never)
    private func advance(_ connection: Connection) {
        let before = connection.sending?.sentBytes
        guard connection.advance() else { return close(connection) }
        let isDone = connection.response?.isDone == true
        if isDone { connection.response = nil }
        note(connection, sentBefore: before)
        guard isDone else { return }
        if connection.isKept, !isStopping { watch(connection, forRoom: false) } else { close(connection) }
    }

    /// Commits what making a part has written, before the part's bytes are sent. If that fails the answer still goes on:
    /// the writes only extend how long the data being read is kept.
    private func commitPart(_ connection: Connection) async {
        do throws(StoreFailure) { try await connection.committed() } catch { connection.commitFailure = nil }
    }

    /// Waits until the loop resumes this answer, the longest waiting one first, then makes its next part.
    private func makePart(_ connection: Connection) async {
        unfinished.append(connection.token)
        await connection.pause()
        guard let rest = connection.response?.rest else { return }
        do throws(StoreFailure) {
            let part = try await rest.next()
            if service.isWriting { await commitPart(connection) }
            try await hold(connection)
            connection.response?.add(part)
        } catch {
            close(connection, "its response could not be completed: \(error)")
        }
    }
}
