internal import CCurl
internal import Glibc
internal import HTTP
internal import Linux
internal import SystemPackage
internal import Values

/// An easy handle of libcurl and its current request. After that, the handle is reused for another one.
@safe final class Transfer {
    let easy: OpaquePointer
    /// Holds the share that the handle uses, for as long as the handle exists.
    private let options: Options
    private(set) var token: UInt64 = 0

    /// CURL_ERROR_SIZE bytes, into which libcurl writes its error message.
    private let message: UnsafeMutablePointer<CChar>
    /// libcurl does not copy lists (CURLOPT_HTTPHEADER(3)).
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var addresses: UnsafeMutablePointer<curl_slist>?
    private var request: Outgoing?

    // The state of the current exchange.
    private var body: [UInt8] = []
    private var bodyBytes = 0
    private var headerBytes = 0
    /// Whether the header of the last response has ended. libcurl also reports success if the connection ends within the
    /// header.
    private var isHeaderWhole = false
    private var stop: Stop?
    /// The first address that `mayConnect` refused.
    private var refused: String?
    private var hasOpenedSocket = false
    private var speaksHTTP2 = false
    /// The errno of a failed socket(2).
    private var socketFailure: CInt?

    /// Why we ended the exchange ourselves.
    private enum Stop {
        /// The body is longer than `readBytes`.
        case enough
        case tooManyHeaders
        /// The connection leads to an address that may not be called.
        case refused(String)
        /// libcurl was about to send the request a second time.
        case repetition
    }

    /// The headers that libcurl adds by itself.
    private static let defaults = ["Accept", "Content-Type", "Expect", "User-Agent"]

    init(_ options: Options) throws(CurlError) {
        guard let easy = unsafe curl_easy_init() else {
            throw CurlError(function: "curl_easy_init", code: 0, reason: "no memory")
        }
        unsafe self.easy = easy
        unsafe message = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        self.options = options
    }

    /// The transfer that owns a handle.
    @unsafe static func of(_ easy: OpaquePointer) -> Transfer {
        var context: UnsafeMutablePointer<CChar>?
        _ = unsafe postroom_curl_get_string(easy, CURLINFO_PRIVATE, &context)
        guard let context = unsafe context else { preconditionFailure("a handle has no transfer") }
        return unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    }

    deinit {
        unsafe curl_easy_cleanup(easy)
        unsafe curl_slist_free_all(headers)
        unsafe curl_slist_free_all(addresses)
        unsafe message.deallocate()
    }

    private func setUp() throws(CurlError) {
        // Unretained: the handle lives in this object.
        let this = unsafe Unmanaged.passUnretained(self).toOpaque()
        try unsafe set(CURLOPT_PRIVATE, this)
        try unsafe set(CURLOPT_ERRORBUFFER, message)
        try unsafe check(postroom_curl_set_share(easy, options.share), "curl_easy_setopt")

        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1)
        try set(CURLOPT_PATH_AS_IS, 1)
        try set(CURLOPT_FOLLOWLOCATION, 0)
        // An empty string keeps libcurl from reading the environment's proxy variables.
        try set(CURLOPT_PROXY, "")
        try set(CURLOPT_POST, 1)

        // Debian's libcurl looks names up in threads. Without this option, the end of a request would wait for its
        // lookup, which no timeout ends (asyn-thread.c, Curl_resolver_kill).
        try set(CURLOPT_QUICK_EXIT, 1)
        try set(CURLOPT_NOSIGNAL, 1)
        try set(CURLOPT_DNS_CACHE_TIMEOUT, options.dnsSeconds)
        try set(CURLOPT_MAXAGE_CONN, options.idleSeconds)

        try set(CURLOPT_SSL_VERIFYPEER, 1)
        try set(CURLOPT_SSL_VERIFYHOST, 2)
        try set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        // Certificates from one file are cached; those from a directory would be read for each connection (openssl.c,
        // Curl_ssl_setup_x509_store).
        try set(CURLOPT_CAPATH, nil)
        if let file = options.authorities { try set(CURLOPT_CAINFO, file) }

        try unsafe set(CURLOPT_WRITEDATA, this)
        try unsafe check(
            postroom_curl_set_receiver(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
                guard let context = unsafe context else { return 0 }
                let buffer = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
                let this = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                return unsafe this.receive(buffer) ? buffer.count : Int(CURL_WRITEFUNC_ERROR)
            }, "curl_easy_setopt")
        try unsafe set(CURLOPT_HEADERDATA, this)
        try unsafe check(
            postroom_curl_set_receiver(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
                guard let context = unsafe context else { return 0 }
                let line = unsafe UnsafeRawBufferPointer(start: bytes, count: size * count)
                let this = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                return unsafe this.receive(headerLine: line) ? size * count : Int(CURL_WRITEFUNC_ERROR)
            }, "curl_easy_setopt")
        try unsafe set(CURLOPT_OPENSOCKETDATA, this)
        try unsafe check(
            postroom_curl_set_socket_opener(easy) { context, _, address in
                guard let context = unsafe context, let address = unsafe address else { return CURL_SOCKET_BAD }
                let this = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                return unsafe this.openSocket(address)
            }, "curl_easy_setopt")
        try unsafe set(CURLOPT_PREREQDATA, this)
        try unsafe check(
            postroom_curl_set_request_guard(easy) { context, address, _, _, _ in
                guard let context = unsafe context, let address = unsafe address else { return CURL_PREREQFUNC_ABORT }
                let this = unsafe Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                return this.maySend(to: unsafe String(cString: address)) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
            }, "curl_easy_setopt")
    }

    // MARK: - A request

    /// - Parameter addresses: entries for CURLOPT_RESOLVE.
    func prepare(_ request: Outgoing, token: UInt64, addresses: [String]) throws(CurlError) {
        try request.validate()
        try setUp()
        self.request = request
        self.token = token
        body = []
        bodyBytes = 0
        headerBytes = 0
        isHeaderWhole = false
        stop = nil
        refused = nil
        hasOpenedSocket = false
        speaksHTTP2 = false
        socketFailure = nil
        unsafe message.pointee = 0

        try set(CURLOPT_URL, request.url)
        try set(CURLOPT_CUSTOMREQUEST, request.method)
        try set(CURLOPT_FRESH_CONNECT, request.isFresh ? 1 : 0)
        if request.hasBody {
            // The size comes first (CURLOPT_COPYPOSTFIELDS(3)).
            try set(CURLOPT_POSTFIELDSIZE, request.body.count)
            // An empty array too is passed as a pointer that is not null; null would mean a body that is read from elsewhere.
            try unsafe check(postroom_curl_set_bytes(easy, CURLOPT_COPYPOSTFIELDS, request.body), "curl_easy_setopt")
        } else {
            // Neither sends a Content-Length. The response to HEAD has no body, whatever its Content-Length says.
            try set(request.method == "HEAD" ? CURLOPT_NOBODY : CURLOPT_HTTPGET, 1)
        }
        try set(CURLOPT_TIMEOUT_MS, request.timeoutMilliseconds)
        try set(CURLOPT_CONNECTTIMEOUT_MS, request.connectTimeoutMilliseconds)

        // A scheme is case-insensitive (RFC 3986, section 3.1).
        let isSecure = request.url.prefix(6).lowercased() == "https:"
        let mayMultiplex = isSecure && !request.isHTTP1
        try set(CURLOPT_HTTP_VERSION, mayMultiplex ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1)
        // With TLS, requests wait for a connection that is being made and may carry them all (HTTP/2). Without TLS, only
        // the first response would show that the connection cannot, and that response may never come.
        try set(CURLOPT_PIPEWAIT, mayMultiplex ? 1 : 0)

        // Without a value, `name:` would take a header away and `name;` sends an empty one (CURLOPT_HTTPHEADER(3)).
        var lines = request.headers.map { Self.line($0.name.utf8, $0.value.utf8) }
        for index in 0..<request.fields.count {
            lines.append(Self.line(request.fields.name(at: index), request.fields.value(at: index)))
        }
        for name in Self.defaults
        where !request.headers.contains(where: { isSameName($0.name, name) }) && request.fields.values(of: name).isEmpty
        {
            lines.append(Array("\(name):".utf8))
        }
        try unsafe set(CURLOPT_HTTPHEADER, lines, keptIn: &headers)
        try unsafe set(CURLOPT_RESOLVE, addresses.map { Array($0.utf8) }, keptIn: &self.addresses)
    }

    private static func line(_ name: some Collection<UInt8>, _ value: some Collection<UInt8>) -> [UInt8] {
        value.isEmpty ? name + [UInt8(ascii: ";")] : name + Array(": ".utf8) + value
    }

    /// Releases the request that is over, and resets the handle. Otherwise state such as libcurl's count of retries
    /// would go on into the next request.
    func clear() {
        request = nil
        body = []
        unsafe curl_easy_reset(easy)
        unsafe curl_slist_free_all(headers)
        unsafe curl_slist_free_all(addresses)
        unsafe (headers, addresses) = (nil, nil)
    }

    /// Whether libcurl may hold many header bytes of the last response (headers.c), which it frees only at the next
    /// request.
    var isBulky: Bool { headerBytes > 16 << 10 }

    // MARK: - Callbacks of libcurl

    private func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let request else { return false }
        bodyBytes += bytes.count
        if body.count < request.keptBytes {
            unsafe body.append(contentsOf: bytes.prefix(request.keptBytes - body.count))
        }
        if bodyBytes > request.readBytes { stop = .enough }
        return bodyBytes <= request.readBytes
    }

    /// Interim responses and trailers count too, so that their length is limited.
    private func receive(headerLine line: UnsafeRawBufferPointer) -> Bool {
        headerBytes += line.count
        // An empty line ends a header. Trailers come after the header has ended.
        if unsafe line.allSatisfy({ $0 == 0x0d || $0 == 0x0a }) {
            isHeaderWhole = true
        } else if unsafe line.starts(with: "HTTP/".utf8) {
            isHeaderWhole = false
        }
        let isWithin = headerBytes <= max(request?.readBytes ?? 0, request?.keptHeaderBytes ?? 0)
        if !isWithin { stop = .tooManyHeaders }
        return isWithin
    }

    /// libcurl calls this for the addresses of a name, one after the other, until it has connected to one.
    private func openSocket(_ wanted: UnsafeMutablePointer<curl_sockaddr>) -> curl_socket_t {
        if isRepetition {
            stop = .repetition
            return CURL_SOCKET_BAD
        }
        let address = unsafe IPAddress(UnsafePointer(wanted))
        guard let address, request?.mayConnect(address) == true else {
            refused = refused ?? address?.description ?? "no IP address"
            return CURL_SOCKET_BAD
        }
        let type = unsafe wanted.pointee.socktype | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = unsafe socket(wanted.pointee.family, type, wanted.pointee.protocol)
        if descriptor >= 0 { hasOpenedSocket = true } else { socketFailure = errno }
        return descriptor
    }

    /// Called when a connection, new or reused, is ready for the request.
    private func maySend(to address: String) -> Bool {
        if isRepetition {
            stop = .repetition
        } else if IPAddress(address).map({ request?.mayConnect($0) == true }) != true {
            stop = .refused(address)
        } else {
            speaksHTTP2 = unsafe postroom_curl_speaks_http2(easy) != 0
        }
        return stop == nil
    }

    /// Whether libcurl is about to send the request a second time. If a reused connection ends without a response,
    /// libcurl sends the request again on another one (transfer.c, Curl_retry_request), though the receiver may have
    /// processed it. Only the caller may decide to try again.
    ///
    /// An HTTP/2 request may be sent again if libcurl has no error message: the receiver has not processed it, as its
    /// stream came after the last one that the receiver takes on the connection (RFC 9113, section 8.7). All other ends
    /// of a connection leave a message (http2.c, cf_h2_recv).
    private var isRepetition: Bool {
        let hasNoError = unsafe message.pointee == 0
        return number(CURLINFO_REQUEST_SIZE) > 0 && !(speaksHTTP2 && hasNoError)
    }

    // MARK: - The end

    func exchange(_ code: CURLcode) -> Exchange {
        let address = text(CURLINFO_PRIMARY_IP)
        var exchange = Exchange(
            outcome: .failure(kind: .protocolError, text: ""),
            durationMilliseconds: offset(CURLINFO_TOTAL_TIME_T) / 1000,
            isReusedConnection: address != nil && number(CURLINFO_NUM_CONNECTS) == 0,
            isAnswered: headerBytes + bodyBytes > 0, remoteAddress: address,
            httpVersion: version)
        switch (code, stop) {
        case (CURLE_OK, _) where !isHeaderWhole:
            exchange.outcome = .failure(kind: .reset, text: "the connection ended within the response's header")
        case (CURLE_OK, _), (_, .enough): exchange.outcome = response
        case (_, .tooManyHeaders):
            exchange.outcome = .failure(kind: .protocolError, text: "the response's header has no end")
        case (_, .refused(let address)):
            exchange.outcome = Self.blocked(address)
            exchange.remoteAddress = address
        case (_, .repetition):
            exchange.outcome = .failure(kind: .reset, text: "the kept connection was closed without a response")
            exchange.isReusedConnection = true
        case (CURLE_COULDNT_CONNECT, nil):
            if let refused, !hasOpenedSocket, socketFailure == nil {
                exchange.outcome = Self.blocked(refused)
                exchange.remoteAddress = refused
            } else if let socketFailure, !hasOpenedSocket {
                exchange.outcome = .failure(kind: .connect, text: "socket: \(Errno(rawValue: socketFailure))")
            } else {
                fallthrough
            }
        case (_, nil):
            exchange.outcome = .failure(kind: Exchange.ErrorKind(code), text: reason(code))
        }
        return exchange
    }

    private static func blocked(_ address: String) -> Exchange.Outcome {
        .failure(kind: .blocked, text: "the address \(address) may not be called")
    }

    private func reason(_ code: CURLcode) -> String {
        let text = unsafe String(cString: message)
        return text.isEmpty ? unsafe String(cString: curl_easy_strerror(code)) : text
    }

    private var response: Exchange.Outcome {
        var headers: [(name: String, value: String)] = []
        var bytes = 0
        var last: UnsafeMutablePointer<curl_header>?
        // -1 selects the last response, after any interim ones.
        while let header = unsafe curl_easy_nextheader(easy, UInt32(CURLH_HEADER), -1, last) {
            unsafe last = header
            let field = unsafe (fieldText(header.pointee.name), fieldText(header.pointee.value))
            bytes += field.0.utf8.count + field.1.utf8.count
            guard bytes <= request?.keptHeaderBytes ?? 0 else { break }
            headers.append(field)
        }
        return .response(
            status: number(CURLINFO_RESPONSE_CODE), headers: headers, body: body, isTruncated: bodyBytes > body.count)
    }

    private var version: Exchange.HTTPVersion? {
        switch number(CURLINFO_HTTP_VERSION) {
        case CURL_HTTP_VERSION_1_0: .http10
        case CURL_HTTP_VERSION_1_1: .http11
        case CURL_HTTP_VERSION_2_0: .http2
        default: nil
        }
    }
}

/// A field's name or value as text: UTF-8 if it is valid, else ISO-8859-1, which such bytes used to mean (RFC 9110,
/// section 5.5).
@unsafe private func fieldText(_ text: UnsafePointer<CChar>) -> String {
    if let valid = unsafe String(validatingCString: text) { return valid }
    var bytes: [UInt8] = []
    var next = unsafe text
    while unsafe next.pointee != 0 {
        unsafe bytes.append(UInt8(bitPattern: next.pointee))
        unsafe next += 1
    }
    return String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
}

/// Whether two names of header fields, which are ASCII, are equal regardless of letter case.
private func isSameName(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && zip(left.utf8, right.utf8).allSatisfy { $0 | 0x20 == $1 | 0x20 }
}

extension IPAddress {
    /// `nil` if the address is neither IPv4 nor IPv6.
    fileprivate init?(_ socketAddress: UnsafePointer<curl_sockaddr>) {
        let length: Int
        let start: Int?
        switch unsafe socketAddress.pointee.family {
        case AF_INET: (length, start) = (4, MemoryLayout<sockaddr_in>.offset(of: \.sin_addr))
        case AF_INET6: (length, start) = (16, MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr))
        default: return nil
        }
        // The address is longer than the type that libcurl's header gives it (curl.h, curl_sockaddr).
        guard let start, let outer = MemoryLayout<curl_sockaddr>.offset(of: \.addr) else { return nil }
        let bytes = unsafe UnsafeRawBufferPointer(
            start: UnsafeRawPointer(socketAddress) + outer + start, count: length)
        self.init(bytes: unsafe Array(bytes))
    }
}
