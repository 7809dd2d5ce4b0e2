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

    /// Has a connection served, beginning when the executor is drained next.
    nonisolated func begin(_ token: UInt64) {
        Task.immediate(executorPreference: executor) { await self.serve(token) }
    }

    /// Has the loop look for news, beginning when the executor is drained next.
    nonisolated func look() {
        Task.immediate(executorPreference: executor) { await self.lookForNews() }
    }

    private func serve(_ token: UInt64) async { await loop.serve(token) }

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

/// What the task of a connection does.
extension ResponderLoop {
    /// Reads, answers and sends, one request after the other, until the connection is closed.
    func serve(_ token: UInt64) async {
        guard let connection = connections[token] else { return }
        while !connection.isClosed {
            connection.state = .receiving
            if !connection.mayHaveMore { unsafe await withUnsafeContinuation { unsafe connection.continuation = $0 } }
            guard !connection.isClosed else { return }
            switch connection.receive(&buffer, bodyLimit: bodyLimit) {
            case .request(let request):
                connection.state = .answering
                connection.readAt = request.isOperational ? nil : now()
                connection.request = request
                let answer = await answer(request, on: connection)
                if send(answer, on: connection) { await sendRest(on: connection) }
            case .invalidRequest(let error):
                connection.state = .answering
                connection.readAt = now()
                if send(.whole(.text(.badRequest, "\(error).")), on: connection) { await sendRest(on: connection) }
            case .nothing:
                connection.mayHaveMore = false
                if isStopping || connection.isHungUp { close(connection) }
            case .ended(let reason): close(connection, reason)
            }
        }
    }

    private func answer(_ request: Request, on connection: Connection) async -> Answer {
        connection.outsideDeadline = nil
        while true {
            connection.commitFailure = nil
            do throws(StoreFailure) {
                return try await service.answer(request, connection)
            } catch .rolledBack {
                // Its neighbours broke the transaction.
                continue
            } catch {
                // The failure of a commit has been reported once, for all requests that it met.
                if connection.commitFailure == nil { service.report(error) }
                return .whole(service.response(to: error, at: request.target))
            }
        }
    }

    /// Sends an answer, as far as the server takes it.
    /// - Returns: whether some of it is left.
    private func send(_ answer: Answer, on connection: Connection) -> Bool {
        guard !connection.isClosed, begin(answer, on: connection) else { return false }
        return advance(connection)
    }

    private func sendRest(on connection: Connection) async {
        repeat {
            if connection.awaitsPart {
                guard await makePart(connection) else { return }
            } else {
                watch(connection, forRoom: true)
                guard !connection.isClosed else { return }
                await connection.pause()
                guard !connection.isClosed else { return }
            }
        } while advance(connection)
    }

    /// Sends on, as far as the server takes it.
    /// - Returns: whether some of it is left.
    private func advance(_ connection: Connection) -> Bool {
        let before = connection.sending?.sentBytes
        guard connection.advance() else {
            close(connection)
            return false
        }
        let isDone = connection.response?.isDone == true
        if isDone { connection.response = nil }
        note(connection, sentBefore: before)
        guard isDone else { return true }
        if connection.isKept, !isStopping { watch(connection, forRoom: false) } else { close(connection) }
        return false
    }

    /// What a part has written is committed before its bytes are sent. Where that fails the answer goes on: it only puts off the
    /// end of what is being read.
    private func commitPart(_ connection: Connection) async {
        do throws(StoreFailure) { try await connection.committed() } catch { connection.commitFailure = nil }
    }

    /// Makes the next part of an answer. The others have their turns after those who have asked meanwhile.
    /// - Returns: false where the connection has been closed.
    private func makePart(_ connection: Connection) async -> Bool {
        unfinished.append(connection.token)
        await connection.pause()
        guard !connection.isClosed, let rest = connection.response?.rest else { return false }
        do throws(StoreFailure) {
            let part = try await rest.next()
            if service.isWriting { await commitPart(connection) }
            guard !connection.isClosed else { return false }
            connection.response?.add(part)
            return true
        } catch {
            close(connection, "broken off: \(error)")
            return false
        }
    }
}
