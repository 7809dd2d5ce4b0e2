internal import HTTP
internal import HTTPTypes
internal import Linux
internal import SystemPackage
internal import Values

/// Isolates the loop and what its connections do: all of it runs on the loop's executor.
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

    /// Has connections served, this one first, beginning when the executor is drained next.
    nonisolated func begin(_ token: UInt64) {
        Task.immediate(executorPreference: executor) { await self.serve(token) }
    }

    /// Has the loop look for news, beginning when the executor is drained next.
    nonisolated func look() {
        Task.immediate(executorPreference: executor) { await self.lookForNews() }
    }

    private func serve(_ token: UInt64) async { await loop.serve(first: token) }

    private func lookForNews() async { await loop.lookForNews() }
}

extension Connection {
    /// Waits until the loop has the task go on.
    func pause() async {
        unsafe await withUnsafeContinuation { unsafe continuation = $0 }
    }

    /// Has the task go on where it waits.
    func goOn() {
        guard let waiting = unsafe continuation else { return }
        unsafe continuation = nil
        unsafe waiting.resume()
    }

    /// Whether the answer goes on once its next part is made.
    var awaitsPart: Bool { response?.awaitsPart ?? false }
}

/// What a task does with its connection.
extension ResponderLoop {
    /// Has a task read what has arrived on a connection: one that has nothing to do, or a new one.
    func begin(_ connection: Connection) {
        connection.state = .answering
        connection.mayHaveMore = true
        if !idleTasks.serve(connection.token) { tasks?.begin(connection.token) }
    }

    /// Serves one connection after the other on which something has arrived.
    func serve(first: UInt64) async {
        var token: UInt64? = first
        while let next = token {
            if let connection = connections[next] { await serve(connection) }
            guard idleTasks.hasRoom else { return }
            token = unsafe await withUnsafeContinuation { unsafe idleTasks.add($0) }
        }
    }

    /// Reads, answers and sends, one request after the other, until no more have arrived.
    ///
    /// What a function that waits needs at any time is kept while it does. Many requests wait, so the work is done by functions
    /// that do not, and these are not inlined.
    private func serve(_ connection: Connection) async {
        while connection.mayHaveMore, !connection.isClosed {
            if let request = receive(on: connection) { await answer(request, on: connection) }
            if connection.response != nil { await sendRest(on: connection) }
        }
        connection.state = .receiving
    }

    /// The request that has arrived; `nil` where there is none, or one that makes no sense.
    @inline(never)
    private func receive(on connection: Connection) -> Request? {
        switch connection.receive(&buffer, bodyLimit: bodyLimit) {
        case .request(let request):
            connection.state = .answering
            connection.readAt = request.isOperational ? nil : now()
            connection.request = request
            return request
        case .invalidRequest(let error):
            connection.state = .answering
            connection.readAt = now()
            send(.whole(.text(.badRequest, "\(error).")), on: connection)
        case .nothing:
            connection.mayHaveMore = false
            if isStopping || connection.isHungUp { close(connection) }
        case .ended(let reason): close(connection, reason)
        }
        return nil
    }

    private func answer(_ request: Request, on connection: Connection) async {
        connection.outsideDeadline = nil
        var answer: Answer?
        repeat {
            connection.commitFailure = nil
            do throws(StoreFailure) {
                answer = try await service.answer(request, connection)
            } catch {
                answer = self.answer(to: error, request, on: connection)
            }
        } while answer == nil
        if let answer { send(answer, on: connection) }
    }

    /// What is answered where the store fails; `nil` where the request is to be answered anew.
    @inline(never)
    private func answer(to failure: StoreFailure, _ request: Request, on connection: Connection) -> Answer? {
        // Its neighbours broke the transaction.
        if case .rolledBack = failure { return nil }
        // The failure of a commit has been reported once, for all requests that it met.
        if connection.commitFailure == nil { service.report(failure) }
        return .whole(service.response(to: failure, at: request.target))
    }

    /// Sends an answer, as far as the server takes it. The connection's `response` is what is left of it.
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

    /// Sends on, as far as the server takes it.
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

    /// What a part has written is committed before its bytes are sent. Where that fails the answer goes on: it only puts off the
    /// end of what is being read.
    private func commitPart(_ connection: Connection) async {
        do throws(StoreFailure) { try await connection.committed() } catch { connection.commitFailure = nil }
    }

    /// Makes the next part of an answer. The others have their turns after those who have asked meanwhile.
    private func makePart(_ connection: Connection) async {
        unfinished.append(connection.token)
        await connection.pause()
        guard let rest = connection.response?.rest else { return }
        do throws(StoreFailure) {
            let part = try await rest.next()
            if service.isWriting { await commitPart(connection) }
            connection.response?.add(part)
        } catch {
            close(connection, "broken off: \(error)")
        }
    }
}
