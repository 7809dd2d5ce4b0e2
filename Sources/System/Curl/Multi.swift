internal import CCurl
internal import Linux
package import SystemPackage
package import Values

/// Many HTTP requests in flight in one thread (libcurl-multi(3)).
///
/// Redirects are not followed, and bodies are not decompressed. No proxy, cookie, credential or setting is taken from
/// the environment. TLS is version 1.2 or newer, with certificates always verified; over it, HTTP/2 is used with servers
/// that support it. All other requests use HTTP/1.1. Connections and TLS sessions are reused. Names are looked up in
/// separate threads.
@safe package final class Multi {
    private let handle: OpaquePointer
    private let options: Options
    private let watch: Watch
    private let keptConnections: Int

    private var transfers: [UInt64: Transfer] = [:]
    /// Handles without a request. The one used last is reused first.
    private var idle: [Transfer] = []
    /// Entries for CURLOPT_RESOLVE of the next request.
    private var newAddresses: [String] = []

    /// - Parameters:
    ///   - connectionsPerHost: the most connections to one name and port; further requests wait for one of them, which
    ///     counts towards their timeout. 0 means no limit.
    ///   - idleSeconds: a connection that was idle for longer than this is not reused.
    ///   - dnsSeconds: how long the addresses of a name are cached.
    ///   - keptConnections: how many idle connections are kept; beyond that, the least recently used one is closed.
    ///   - authorities: the file of the CA certificates to trust; `nil` for those that the system trusts.
    package init(
        connectionsPerHost: Int, idleSeconds: Int, dnsSeconds: Int, keptConnections: Int = 256,
        authorities: FilePath? = nil
    ) throws(CurlError) {
        try Self.initialized.get()
        do throws(Errno) {
            watch = try Watch()
        } catch {
            throw CurlError(error, "epoll_create1")
        }
        self.keptConnections = keptConnections
        options = try Options(idleSeconds: idleSeconds, dnsSeconds: dnsSeconds, authorities: authorities?.string)
        guard let handle = unsafe curl_multi_init() else {
            throw CurlError(function: "curl_multi_init", code: 0, reason: "no memory")
        }
        unsafe self.handle = handle
        // Unretained: the handle is freed before the watch.
        let context = unsafe Unmanaged.passUnretained(watch).toOpaque()
        try unsafe check(
            postroom_curl_multi_set_socket_watcher(
                handle,
                { _, socket, poll, context, _ in
                    guard let context = unsafe context else { return -1 }
                    return unsafe Unmanaged<Watch>.fromOpaque(context).takeUnretainedValue().change(socket, poll: poll)
                }, context), "curl_multi_setopt")
        try unsafe check(
            postroom_curl_multi_set_timer(
                handle,
                { _, milliseconds, context in
                    guard let context = unsafe context else { return -1 }
                    let watch = unsafe Unmanaged<Watch>.fromOpaque(context).takeUnretainedValue()
                    watch.setTimer(milliseconds: milliseconds)
                    return 0
                }, context), "curl_multi_setopt")
        try set(CURLMOPT_MAX_HOST_CONNECTIONS, connectionsPerHost)
        try set(CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX)
    }

    /// Raises libcurl's limit with the number of requests in flight. The limit counts all connections, including those
    /// in use (conncache.c, Curl_conncache_return_conn): if many requests hung, libcurl would close every other
    /// connection after its request.
    private func limitConnections() throws(CurlError) {
        try set(CURLMOPT_MAXCONNECTS, keptConnections + transfers.count)
    }

    private func set(_ option: CURLMoption, _ value: Int) throws(CurlError) {
        unsafe try check(postroom_curl_multi_set_long(handle, option, value), "curl_multi_setopt")
    }

    /// Initializes libcurl once for the process, which is safe beside other threads since libcurl 7.84
    /// (curl_global_init(3)).
    private static let initialized = Result<Void, CurlError> { () throws(CurlError) in
        try check(curl_global_init(Int(CURL_GLOBAL_DEFAULT)), "curl_global_init")
    }

    deinit {
        for transfer in transfers.values { unsafe curl_multi_remove_handle(handle, transfer.easy) }
        unsafe curl_multi_cleanup(handle)
    }

    /// From the next request on, a host name has these addresses, whatever DNS says; with `nil` it has those of DNS
    /// again. Existing connections stay open.
    ///
    /// For tests of names whose addresses change.
    package func setAddresses(_ addresses: [IPAddress]?, ofHost host: String, port: Int) {
        guard let addresses else { return newAddresses.append("-\(host):\(port)") }
        let list = addresses.map { $0.bytes.count == 4 ? "\($0)" : "[\($0)]" }.joined(separator: ",")
        newAddresses.append("\(host):\(port):\(list)")
    }

    package var inFlight: Int { transfers.count }

    /// For a loop that also waits for other things: readable when `wait` has something to do.
    package var descriptor: FileDescriptor { watch.epoll.descriptor }

    /// When `wait` has something to do even if the descriptor is not readable, by `SystemClock.bootTimeMicroseconds`;
    /// `nil` for never.
    package var dueMicroseconds: Int64? { watch.dueMicroseconds }

    /// Starts a request; its result comes from a later `wait`.
    /// - Parameter token: identifies the request; no other request in flight may have it.
    package func start(_ request: Outgoing, token: UInt64) throws(CurlError) {
        precondition(transfers[token] == nil, "a token is used for one request")
        let transfer = if let last = idle.popLast() { last } else { try Transfer(options) }
        try transfer.prepare(request, token: token, addresses: newAddresses)
        newAddresses = []
        unsafe try check(curl_multi_add_handle(handle, transfer.easy), "curl_multi_add_handle")
        transfers[token] = transfer
        try limitConnections()
    }

    /// Cancels a request if it is in flight. It has no result.
    package func cancel(token: UInt64) {
        if let transfer = transfers[token] { retire(transfer) }
    }

    private func retire(_ transfer: Transfer) {
        transfers[transfer.token] = nil
        unsafe curl_multi_remove_handle(handle, transfer.easy)
        transfer.clear()
        if idle.count < 64, !transfer.isBulky { idle.append(transfer) }
    }

    /// Works on the requests until one is finished, one of `descriptors` is readable, or the time is up. Returns the
    /// finished ones.
    package func wait(
        milliseconds: Int, descriptors: [FileDescriptor] = []
    ) throws(CurlError) -> [(token: UInt64, result: Exchange)] {
        let end = SystemClock.bootTimeMicroseconds() + Int64(milliseconds) * 1000
        do throws(Errno) {
            for descriptor in descriptors { try watch.epoll.add(descriptor, .readable, token: Self.callers) }
        } catch {
            throw CurlError(error, "epoll_ctl")
        }
        defer { for descriptor in descriptors { try? watch.epoll.remove(descriptor) } }

        while true {
            // Requests that were started since the last call are due at once.
            if watch.takeDue() { try act(CURL_SOCKET_TIMEOUT, 0) }
            var finished = takeFinished()
            let now = SystemClock.bootTimeMicroseconds()
            let until = finished.isEmpty ? min(end, watch.dueMicroseconds ?? end) : now
            let left = max(until - now, 0)
            let isWoken = try handleEvents(milliseconds: Int((left + 999) / 1000))
            if watch.takeDue() { try act(CURL_SOCKET_TIMEOUT, 0) }
            finished += takeFinished()
            if !finished.isEmpty { try limitConnections() }
            if isWoken || !finished.isEmpty || SystemClock.bootTimeMicroseconds() >= end { return finished }
        }
    }

    /// The epoll token of the caller's descriptors. The token of one of libcurl's is its number.
    private static let callers = UInt64.max

    /// - Returns: whether one of the caller's descriptors is readable.
    private func handleEvents(milliseconds: Int) throws(CurlError) -> Bool {
        var ready: [(socket: curl_socket_t, mask: CInt)] = []
        var isWoken = false
        do throws(Errno) {
            try watch.epoll.wait(milliseconds: milliseconds) { token, events in
                guard token != Self.callers else {
                    isWoken = true
                    return
                }
                var mask: CInt = 0
                // After a hang-up, libcurl's next read or write finds out what has happened.
                if events.contains(.readable) || !events.isDisjoint(with: .hangUp) { mask |= CURL_CSELECT_IN }
                if events.contains(.writable) || !events.isDisjoint(with: .hangUp) { mask |= CURL_CSELECT_OUT }
                ready.append((curl_socket_t(token), mask))
            }
        } catch {
            throw CurlError(error, "epoll_wait")
        }
        for (socket, mask) in ready { try act(socket, mask) }
        return isWoken
    }

    private func act(_ socket: curl_socket_t, _ mask: CInt) throws(CurlError) {
        var running: CInt = 0
        let code = unsafe curl_multi_socket_action(handle, socket, mask, &running)
        if let failure = watch.failure { throw CurlError(failure, "epoll_ctl") }
        try check(code, "curl_multi_socket_action")
    }

    private func takeFinished() -> [(token: UInt64, result: Exchange)] {
        var finished: [(token: UInt64, result: Exchange)] = []
        var left: CInt = 0
        while let message = unsafe curl_multi_info_read(handle, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE, let easy = unsafe message.pointee.easy_handle else {
                continue
            }
            let transfer = unsafe Transfer.of(easy)
            // The message is invalid once its handle is removed (curl_multi_info_read(3)).
            let exchange = transfer.exchange(unsafe message.pointee.data.result)
            finished.append((transfer.token, exchange))
            retire(transfer)
        }
        return finished
    }
}
