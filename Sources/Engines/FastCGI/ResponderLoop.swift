internal import HTTP
internal import HTTPTypes
package import Linux
package import Logging
package import SystemPackage
internal import Values

/// The loop of a responder: one thread reads the requests of all connections, has them answered, commits their writes
/// together, and then sends the answers.
///
/// Each request that has arrived is given to a task, which answers it, sends, reads the next request, and waits where it
/// has to (`serve`). The loop resumes the tasks: when a socket takes bytes again, when a transaction is committed, when there
/// is news. An answer leaves once the transaction that it shows or has made is durable. While the disk works, further
/// requests arrive; all of them share the next commit and the next sync.
package final class ResponderLoop {
    private let listener: FileDescriptor
    let service: any Service
    let sources: [any LoopSource]
    let bodyLimit: Int
    /// Reads the requests of all connections, one after the other.
    let library: LibraryRequest
    /// Where the tasks of the connections run.
    let executor = LoopExecutor()
    var tasks: ConnectionTasks?
    let idleTasks = IdleTasks()
    private let heartbeat: Heartbeat?
    let logger: Logger
    let epoll: Epoll
    private let signals: SignalQueue

    var connections: [UInt64: Connection] = [:]
    private var nextToken: UInt64 = Token.first
    var waiting: ParkedRequests
    var room: AnswerRoom
    /// Connections with an answer that is not sent completely, and when to check these next.
    var stalled: Set<UInt64> = []
    var nextStallCheck: Int64 = 0
    let sendMicroseconds: Int64
    var outside = OutsideWaits()
    /// Whether the descriptor of a source was reported as readable.
    var hasReadySource = false
    private var ready: [(UInt64, Epoll.Events)] = []
    /// Connections whose requests wait for the transaction of this turn.
    var committing: [Connection] = []
    /// Whether requests were given to the service since the last commit.
    var hasAnswered = false
    /// Connections whose answers wait until a transaction is durable, with its number; the numbers never decrease.
    var undurable: [(ticket: UInt64, connection: Connection)] = []
    /// Connections that wait to make the next part of their answer, the longest waiting first.
    var unfinished: [UInt64] = []
    var buffer = [UInt8](repeating: 0, count: 65536)

    /// Where long requests are collected; `nil`: in memory.
    let spoolDirectory: FilePath?
    /// Bytes of the bodies that were read since the last commit.
    var turnBodyBytes = 0
    /// Connections whose requests are read after the next commit, as the turn has enough long bodies.
    var postponed: [UInt64] = []
    /// Bytes of the long bodies of requests that are being answered.
    var heldBodyBytes = 0
    /// Connections whose requests have long bodies and are read once others have freed theirs.
    var crowded: [UInt64] = []
    /// Bytes of bodies after which a turn takes no more requests. Their requests hold them until the commit.
    static let turnBodyLimit = 8 << 20
    /// Bytes of long bodies after which no other long body is read into memory. They may be held for more than a turn, while
    /// the background thread works on them.
    static let heldBodyLimit = 8 << 20
    /// A longer body is long.
    static let shortBody = 256 << 10

    var isStopping = false
    private var stopsAt = Int64.max
    /// After accepting has failed, as when descriptors have run out: no connection is accepted until this time.
    private var acceptsAgainAt: Int64?
    var seenVersion: UInt64?
    var nextLook: Int64 = 0
    var lookInterval: Int64 = 5000
    var isLooking = false

    private enum Token {
        static let listener: UInt64 = 0
        static let signals: UInt64 = 1
        /// One for each of the sources.
        static let sources: UInt64 = 2
        static let first: UInt64 = 16
    }

    /// - Parameters:
    ///   - listener: a listening socket; it is shared with other processes and stays open.
    ///   - bodyLimit: the most bytes a request's body may have; a longer one reaches the handler as `tooLarge`.
    ///   - spoolDirectory: where long requests are collected; `nil`: in memory.
    ///   - parkedLimit: how many requests may wait for news. Each one holds a connection of nginx.
    ///   - sendSeconds: a connection is closed when no byte of its answer was taken for this long.
    ///   - answerBytes: memory that answers may hold while their clients take them.
    ///   - heartbeat: shows the supervisor that the loop is running.
    package init(
        listener: FileDescriptor, service: any Service, bodyLimit: Int, spoolDirectory: FilePath? = nil,
        parkedLimit: Int = 2000, sendSeconds: Double = 60, answerBytes: Int = 64 << 20, heartbeat: Heartbeat? = nil,
        logger: Logger
    ) throws(Errno) {
        self.listener = listener
        self.service = service
        sources = service.sources
        self.bodyLimit = bodyLimit
        self.spoolDirectory = spoolDirectory
        self.heartbeat = heartbeat
        self.logger = logger
        waiting = ParkedRequests(limit: parkedLimit)
        room = AnswerRoom(limitBytes: answerBytes)
        sendMicroseconds = Int64(sendSeconds * 1e6)
        LibraryRequest.prepareLibrary()
        library = LibraryRequest()
        Signal.ignoreBrokenPipes()
        signals = try SignalQueue([Signal.terminate, Signal.interrupt, Signal.hangUp])
        epoll = try Epoll()
        try UnixSocket.makeNonBlocking(listener)
        try epoll.add(listener, .readable, token: Token.listener)
        try epoll.add(signals.descriptor, .readable, token: Token.signals)
        for (index, source) in sources.enumerated() {
            try epoll.add(source.descriptor, .readable, token: Token.sources + UInt64(index))
        }
    }

    /// Serves until SIGTERM or SIGINT, then answers the requests that it has, and returns. SIGHUP ends all waits for
    /// news at once.
    /// - Parameter shutdownSeconds: how long the stop may take, until the last answers are read.
    package static func run(_ loop: sending ResponderLoop, shutdownSeconds: Double) throws(Errno) {
        let executor = loop.executor
        let tasks = ConnectionTasks(loop, executor)
        try executor.run { () async throws(Errno) in try await tasks.run(shutdownSeconds: shutdownSeconds) }
    }

    func run(shutdownSeconds: Double) throws(Errno) {
        defer {
            for connection in connections.values { close(connection) }
            idleTasks.end()
            goOnWithTasks()
        }
        while !isOver {
            heartbeat?.beat()
            try poll(milliseconds: unfinished.isEmpty && postponed.isEmpty ? timeout() : 0)
            takePostponed()
            handleReady(shutdownSeconds)
            goOnWithTasks()
            finishTurn()
            goOn()
            resumeAccepting()
            goOnWithSources()
            lookAgain()
            flush()
            dropStalled()
        }
    }

    /// Whether the loop can end. Background work is finished first, even if its client has gone, unless the time for the
    /// stop is over.
    private var isOver: Bool {
        guard isStopping else { return false }
        return connections.isEmpty && !sources.contains(where: \.isBusy) || now() >= stopsAt
    }

    /// Waits for events, at most for a time; `nil`: until there are some.
    func poll(milliseconds: Int?) throws(Errno) {
        try epoll.wait(milliseconds: milliseconds) { ready.append(($0, $1)) }
    }

    private func takePostponed() {
        let tokens = postponed
        postponed = []
        for token in tokens {
            if let connection = connections[token], case .receiving = connection.state { begin(connection) }
        }
    }

    func handleReady(_ shutdownSeconds: Double) {
        for (token, events) in ready {
            switch token {
            case Token.listener: accept()
            case Token.signals: takeSignals(shutdownSeconds)
            case Token.sources..<Token.first: hasReadySource = true
            default: handle(token, events)
            }
        }
        ready.removeAll(keepingCapacity: true)
    }

    func now() -> Int64 { SystemClock.bootTimeMicroseconds() }

    private func timeout() -> Int? {
        var next = min(stopsAt, outside.nextDeadline)
        for source in sources { next = min(next, source.dueMicroseconds ?? .max) }
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
                let connection = Connection(descriptor, token: nextToken, loop: self)
                nextToken += 1
                try epoll.add(descriptor, [.readable, .hangUp, .edgeTriggered], token: connection.token)
                connections[connection.token] = connection
            }
        } catch {
            // Usually too many files are open. New connections stay in the backlog until the next try.
            logger.warning("cannot accept a connection; trying again in 0.2 s", metadata: ["error": "\(error)"])
            try? epoll.remove(listener)
            acceptsAgainAt = now() + 200_000
        }
    }

    private func resumeAccepting() {
        guard let time = acceptsAgainAt, now() >= time, !isStopping else { return }
        acceptsAgainAt = nil
        try? epoll.add(listener, .readable, token: Token.listener)
    }

    /// Closes a connection. A task that sends or waits is resumed, and leaves it; one that answers a request finishes
    /// that first.
    func close(_ connection: Connection, _ reason: String? = nil) {
        if let reason { logger.warning("closed a connection", metadata: ["reason": "\(reason)"]) }
        connections[connection.token] = nil
        waiting.remove(connection.token)
        outside.remove(connection.token)
        room.release(connection.token)
        stalled.remove(connection.token)
        connection.close()
        switch connection.state {
        case .sending: connection.goOn()
        case .parked, .outside: wake(connection, .gone)
        case .receiving, .answering: break
        }
    }

    private func handle(_ token: UInt64, _ events: Epoll.Events) {
        guard let connection = connections[token] else { return }
        if !events.isDisjoint(with: .hangUp) { connection.isHungUp = true }
        switch connection.state {
        case .receiving: begin(connection)
        case .answering:
            connection.mayHaveMore = true
        case .parked, .outside:
            // The client has gone: the web server then closes the connection, and it sends nothing else before the
            // answer.
            close(connection)
        case .sending:
            if events.contains(.readable) { connection.mayHaveMore = true }
            if !connection.awaitsPart { connection.goOn() }
        }
    }

    // MARK: Stopping

    private func takeSignals(_ shutdownSeconds: Double) {
        while let signal = signals.next() {
            if signal == Signal.hangUp { releaseAll() } else { stop(within: shutdownSeconds) }
        }
    }

    private func releaseAll() {
        for token in waiting.tokens {
            if let connection = connections[token] { wake(connection, .over) }
        }
    }

    private func stop(within seconds: Double) {
        guard !isStopping else { return }
        isStopping = true
        stopsAt = now() + Int64(seconds * 1e6)
        if acceptsAgainAt == nil { try? epoll.remove(listener) }
        acceptsAgainAt = nil
        releaseAll()
        // Only half of the time, so that the other half is left to send the answers.
        outside.end(by: now() + Int64(seconds * 0.5e6))
        for connection in connections.values {
            if case .receiving = connection.state { begin(connection) }
        }
    }
}
