internal import HTTP
internal import Linux
internal import SystemPackage
internal import Values

/// One FastCGI connection from the web server (nginx), and its state.
@safe final class Connection {
    /// What the connection waits for, or what its task is doing.
    enum State {
        /// Waits for a request, part of which may have arrived. The connection has no task.
        case receiving
        /// The task reads or answers a request, or waits for its transaction or for the background thread.
        case answering
        /// The task waits for something new in the store, until a time by `SystemClock.bootTimeMicroseconds`.
        case parked(any Interest, until: Int64)
        /// The task waits for a result from outside the store, such as a lookup.
        case outside
        /// The task sends an answer, or waits until the web server takes more of it or the loop lets it make the next
        /// part.
        case sending
    }

    /// The result of looking for a request.
    enum Arrival {
        case request(Request)
        /// A request with invalid parameters. It has been read to its end.
        case invalidRequest(ParameterError)
        /// A request that could not be collected, as the disk has no room for it. It has been read to its end.
        case unkeepable
        /// No complete request has arrived.
        case nothing
        /// A complete request stays in its spool until there is room for its body in memory.
        case crowded
        /// The connection cannot be used any more: it was closed, it failed, or the bytes are not FastCGI. The text is a
        /// reason to log; `nil` if there is nothing to log.
        case ended(String?)
    }

    let descriptor: FileDescriptor
    let token: UInt64
    unowned let loop: ResponderLoop
    var state = State.receiving
    /// Resumes the connection's task where it waits; `nil` while the task does not wait.
    var continuation: UnsafeContinuation<Void, Never>?
    /// The request being answered.
    private(set) var outline = RequestOutline()
    /// When the request was read, by `SystemClock.bootTimeMicroseconds`; `nil` for requests at the operations port,
    /// which are not counted.
    var readAt: Int64?
    /// The request that has been read and is not answered yet.
    var request: Request?
    /// How many bytes of the request's body are counted in the loop's `heldBodyBytes`; 0 if it is short.
    var heldBodyBytes = 0
    /// The answer that is being sent.
    var response: ResponseBytes?
    /// Why the writes that the task waited for are not kept; `nil` if they are.
    var commitFailure: StoreFailure?
    /// Why the task's last wait, in `news` or `outside`, has ended.
    var waking = Waking.news
    /// Until when the request may wait in `outside`, by `SystemClock.bootTimeMicroseconds`; `nil` before its first such
    /// wait.
    var outsideDeadline: Int64?
    /// Whether nothing more can be received or sent.
    private(set) var isClosed = false
    /// Whether unread bytes may have arrived that epoll does not report again.
    var mayHaveMore = false
    /// Whether the web server has closed its side. Requests that it sent before are still answered, but may not wait for
    /// news or in `outside`.
    var isHungUp = false
    /// Whether epoll reports when the socket can be written to again.
    var awaitsRoom = false
    /// The address of the client whose request is being answered, as `clientKey` returns it.
    private(set) var client = ""
    /// When the web server last took bytes of the answer, by `SystemClock.bootTimeMicroseconds`.
    var progressAt: Int64 = 0

    /// Collects a request that cannot be read from the socket in one piece.
    private var spool: Spool?

    init(_ descriptor: FileDescriptor, token: UInt64, loop: ResponderLoop) {
        self.descriptor = descriptor
        self.token = token
        self.loop = loop
    }

    deinit { close() }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        response = nil
        spool = nil
        try? descriptor.close()
    }

    /// Looks for the next request. Management and abort records are answered here.
    /// - Parameter buffer: scratch space; a larger request is first collected in a file in memory.
    func receive(_ buffer: inout [UInt8], bodyLimit: Int) -> Arrival {
        do throws(Errno) {
            if let spool, spool.isComplete { return try read(spool, bodyLimit) }
            while true {
                let count = try UnixSocket.peek(descriptor, into: &buffer)
                guard count > 0 else { return .ended(nil) }
                var scanner = spool?.scanner ?? RecordScanner()
                let (consumed, event) = scanner.scan(buffer[..<count])
                mayHaveMore = consumed < count
                switch event {
                case nil where spool == nil && count < buffer.count:
                    return .nothing
                case .request(let outline) where spool == nil && consumed == count && !outline.endsPadded:
                    self.outline = outline
                    guard outline.role == RequestOutline.responderRole else {
                        try take(consumed, &buffer)
                        return try refuseRole()
                    }
                    return read(from: descriptor, bodyIsThere: true, bodyLimit)
                case nil:
                    try gather(consumed, &buffer, scanner, bodyLimit)
                case .request(let outline):
                    try gather(consumed, &buffer, scanner, bodyLimit)
                    self.outline = outline
                    guard let spool else { preconditionFailure("a complete request has no spool") }
                    spool.isComplete = true
                    return try read(spool, bodyLimit)
                case .management(let type, let content):
                    try take(consumed, &buffer)
                    spool = nil
                    try sendShort(Records.answer(toManagement: type, content))
                case .abort(let requestID):
                    try take(consumed, &buffer)
                    spool = nil
                    try sendShort(Records.end(requestID: requestID))
                case .broken(let reason):
                    return .ended(reason)
                }
            }
        } catch .wouldBlock {
            return .nothing
        } catch {
            return .ended(error == .connectionReset || error == .brokenPipe ? nil : "\(error)")
        }
    }

    /// Reads the complete request that was collected.
    private func read(_ spool: Spool, _ bodyLimit: Int) throws(Errno) -> Arrival {
        let bodyIsThere = outline.bodyBytes <= bodyLimit
        guard !spool.isBroken else {
            self.spool = nil
            return outline.role == RequestOutline.responderRole ? .unkeepable : try refuseRole()
        }
        guard !bodyIsThere || loop.hasRoom(forBody: outline.bodyBytes) else { return .crowded }
        defer { self.spool = nil }
        guard outline.role == RequestOutline.responderRole else { return try refuseRole() }
        try spool.rewind()
        return read(from: spool.file, bodyIsThere: bodyIsThere, bodyLimit)
    }

    private func read(from source: FileDescriptor, bodyIsThere: Bool, _ bodyLimit: Int) -> Arrival {
        guard let (parameters, body) = loop.library.read(from: source, outline, bodyIsThere: bodyIsThere) else {
            return .ended("libfcgi could not read a request")
        }
        client = ""
        do throws(ParameterError) {
            let request = try parameters.request(body: body.flatMap { $0.count <= bodyLimit ? $0 : nil })
            client = clientKey(request.remoteAddress)
            return .request(request)
        } catch {
            return .invalidRequest(error)
        }
    }

    /// Removes bytes from the socket that were peeked at before.
    private func take(_ count: Int, _ buffer: inout [UInt8]) throws(Errno) {
        var left = count
        while left > 0 { left -= try UnixSocket.receive(descriptor, into: &buffer, atMost: left) }
    }

    /// Moves bytes that were peeked at before from the socket to the spool. Once the body is too long, or the
    /// spool has no room, further bytes are discarded.
    private func gather(
        _ count: Int, _ buffer: inout [UInt8], _ scanner: RecordScanner, _ bodyLimit: Int
    ) throws(Errno) {
        let spool = if let spool { spool } else { try Spool(directory: loop.spoolDirectory) }
        // The bytes that make the body too long are still written, as they may include parameters.
        let isKept = spool.scanner.bodyBytes <= bodyLimit
        spool.scanner = scanner
        self.spool = spool
        var left = count
        while left > 0 {
            let taken = try UnixSocket.receive(descriptor, into: &buffer, atMost: left)
            if isKept { spool.write(buffer[..<taken]) }
            left -= taken
        }
    }

    private func refuseRole() throws(Errno) -> Arrival {
        try sendShort(Records.end(requestID: outline.id, protocolStatus: Records.unknownRole))
        return .ended(nil)
    }

    /// Sends a short record that is not part of an answer. It must not be called while an answer is being sent.
    private func sendShort(_ bytes: [UInt8]) throws(Errno) {
        guard try UnixSocket.send(bytes, from: 0, to: descriptor) == bytes.count else { throw .brokenPipe }
    }

    /// Whether the web server keeps the connection open after this request.
    var isKept: Bool { outline.keepsConnection }

    func begin(_ answer: Answer) {
        // Sending the answer may take long, so free the body's memory now.
        request?.dropBody()
        request = nil
        state = .sending
        response =
            switch answer {
            case .whole(let response): ResponseBytes(response, to: outline.id)
            case .inParts(let response, let rest): ResponseBytes(response, to: outline.id, rest: rest)
            }
    }

    /// How many bytes of the answer the web server has taken, and how many bytes of memory the answer holds; `nil` if no
    /// answer is being sent.
    var sending: (sentBytes: Int, heldBytes: Int)? {
        guard let response else { return nil }
        let held = response.heldBytes
        return (response.sentBytes, response.isParted ? max(held, AnswerRoom.partedBytes) : held)
    }

    /// Continues sending until the socket takes no more or the next part is needed. Returns false if the connection has
    /// failed.
    func advance() -> Bool {
        do throws(Errno) {
            try response?.advance { (buffer, start) throws(Errno) in
                try UnixSocket.send(buffer, from: start, to: descriptor)
            }
            return true
        } catch {
            return false
        }
    }
}

/// The key by which a client is counted in limits for each address: an IPv4 address itself, the /64 network of an IPv6
/// address.
func clientKey(_ address: String?) -> String {
    guard let address else { return "" }
    let span = address.utf8Span.span
    var isDotted = false
    for index in span.indices where span[index] == UInt8(ascii: ".") || span[index] == UInt8(ascii: ":") {
        isDotted = span[index] == UInt8(ascii: ".")
        break
    }
    guard !isDotted, let bytes = IPAddress(address)?.bytes, bytes.count == 16 else { return address }
    return bytes.prefix(8).map { String($0) }.joined(separator: ".") + "/64"
}
