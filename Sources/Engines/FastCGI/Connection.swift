internal import HTTP
internal import Linux
internal import SystemPackage
internal import Values

/// One connection from the server, and where it stands in the exchange.
@safe final class Connection {
    /// What it waits for, or its task does.
    enum State {
        /// Waits for a request, of which some may be there. It has no task.
        case receiving
        /// Reads or answers a request, or waits for its transaction or for a thread.
        case answering
        /// Waits for news of the store, until a time by `SystemClock.bootTimeMicroseconds`.
        case parked(any Interest, until: Int64)
        /// Waits for somebody outside to answer.
        case outside
        /// Sends an answer, or waits for the server to take more of it, or for its turn to make the next part.
        case sending
    }

    /// What came of looking for a request.
    enum Arrival {
        case request(Request)
        /// A request whose parameters make no sense; it has been read to its end.
        case invalidRequest(ParameterError)
        /// Not all of it is there, or nothing.
        case nothing
        /// The connection is of no more use: it was closed, or what came is no FastCGI.
        case ended(String?)
    }

    let descriptor: FileDescriptor
    let token: UInt64
    unowned let loop: ResponderLoop
    var state = State.receiving
    /// Where its task goes on; `nil` while that runs.
    var continuation: UnsafeContinuation<Void, Never>?
    /// The request being answered.
    private(set) var outline = RequestOutline()
    /// When that was read, on the machine's clock; `nil` where it is not counted.
    var readAt: Int64?
    /// The request that is read and not answered yet.
    var request: Request?
    /// The answer on its way.
    var response: ResponseBytes?
    /// Why the writes that its task has waited for are not kept.
    var commitFailure: StoreFailure?
    /// Why its task waits for news no longer.
    var waking = Waking.news
    /// Until when the request may wait for somebody outside.
    var outsideDeadline: Int64?
    /// Whether nothing more can be received or sent.
    private(set) var isClosed = false
    /// Whether something may have arrived that no event will tell of.
    var mayHaveMore = false
    /// Whether the server has closed its side. What it sent before that is still answered, but nothing waits for it.
    var isHungUp = false
    /// Whether events are wanted for when the socket takes bytes again.
    var awaitsRoom = false
    /// The address of the client whose request is being answered; an IPv6 network of 64 bits counts as one.
    private(set) var client = ""
    /// When the server last took some of the answer, by `SystemClock.bootTimeMicroseconds`.
    var progressAt: Int64 = 0

    /// Gathers a request that the socket does not hold in one piece.
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

    /// A class: few requests need one, and a connection that waits has room for a reference alone.
    private final class Spool {
        let file: FileDescriptor
        var scanner = RecordScanner()

        init(file: FileDescriptor) { self.file = file }

        deinit { try? file.close() }
    }

    /// Looks for the next request. Whatever is not one is dealt with here.
    /// - Parameter buffer: scratch space; a request that is larger is gathered in memory first.
    func receive(_ buffer: inout [UInt8], bodyLimit: Int) -> Arrival {
        do throws(Errno) {
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
                    defer { spool = nil }
                    guard outline.role == RequestOutline.responderRole else { return try refuseRole() }
                    guard let spool else { preconditionFailure("a request was gathered nowhere") }
                    _ = try seekToStart(spool.file)
                    return read(from: spool.file, bodyIsThere: outline.bodyBytes <= bodyLimit, bodyLimit)
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

    private func read(from source: FileDescriptor, bodyIsThere: Bool, _ bodyLimit: Int) -> Arrival {
        guard let (parameters, body) = loop.library.read(from: source, outline, bodyIsThere: bodyIsThere) else {
            return .ended("libfcgi cannot read the request")
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

    /// Takes bytes from the socket that have been looked at already.
    private func take(_ count: Int, _ buffer: inout [UInt8]) throws(Errno) {
        var left = count
        while left > 0 { left -= try UnixSocket.receive(descriptor, into: &buffer, atMost: left) }
    }

    /// Moves bytes that have been looked at from the socket to the spool; of a body that is too long, no more.
    private func gather(
        _ count: Int, _ buffer: inout [UInt8], _ scanner: RecordScanner, _ bodyLimit: Int
    ) throws(Errno) {
        let spool = if let spool { spool } else { Spool(file: try memoryFile(named: "request")) }
        // The bytes with which the body becomes too long are still kept: the parameters may be among them.
        let isKept = spool.scanner.bodyBytes <= bodyLimit
        spool.scanner = scanner
        self.spool = spool
        var left = count
        while left > 0 {
            let taken = try UnixSocket.receive(descriptor, into: &buffer, atMost: left)
            if isKept { try write(buffer[..<taken], to: spool.file) }
            left -= taken
        }
    }

    private func refuseRole() throws(Errno) -> Arrival {
        try sendShort(Records.end(requestID: outline.id, protocolStatus: Records.unknownRole))
        return .ended(nil)
    }

    /// Sends a record that is no answer. It is short, and nothing else is on its way.
    private func sendShort(_ bytes: [UInt8]) throws(Errno) {
        guard try UnixSocket.send(bytes, from: 0, to: descriptor) == bytes.count else { throw .brokenPipe }
    }

    /// Whether the server goes on using the connection after this request.
    var isKept: Bool { outline.keepsConnection }

    func begin(_ answer: Answer) {
        // An answer may take long to be sent.
        request?.dropBody()
        request = nil
        state = .sending
        response =
            switch answer {
            case .whole(let response): ResponseBytes(response, to: outline.id)
            case .inParts(let response, let rest): ResponseBytes(response, to: outline.id, rest: rest)
            }
    }

    /// Bytes of the answer that were taken so far, and memory that it holds.
    var sending: (sentBytes: Int, heldBytes: Int)? {
        guard let response else { return nil }
        let held = response.heldBytes
        return (response.sentBytes, response.isParted ? max(held, AnswerRoom.partedBytes) : held)
    }

    /// Sends on, as far as the server takes it and parts are made; false once the connection is of no more use.
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

private func seekToStart(_ file: FileDescriptor) throws(Errno) -> Int64 {
    do { return try file.seek(offset: 0, from: .start) } catch { throw error as? Errno ?? .ioError }
}

private func write(_ bytes: ArraySlice<UInt8>, to file: FileDescriptor) throws(Errno) {
    do { _ = try file.writeAll(bytes) } catch { throw error as? Errno ?? .ioError }
}

/// What a client's address counts as where something is shared by address: IPv6 by networks of 64 bits.
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
