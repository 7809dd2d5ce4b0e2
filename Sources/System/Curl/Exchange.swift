internal import CCurl

/// The result of one request.
package struct Exchange: Sendable {
    package enum Outcome: Sendable {
        /// - Parameters:
        ///   - headers: in their order; without those of interim responses (1xx) and trailers.
        ///   - isTruncated: whether the response's body was longer than `body`.
        case response(status: Int, headers: [(name: String, value: String)], body: [UInt8], isTruncated: Bool)
        /// - Parameter text: a sentence for the log; it may contain the host name and the address that were called.
        case failure(kind: ErrorKind, text: String)
    }

    package enum ErrorKind: String, Sendable {
        /// The host name could not be resolved.
        case dns
        case connect
        case tls
        case timeout
        /// The connection ended before the response did.
        case reset
        /// `mayConnect` refused the address, or all addresses of the host.
        case blocked = "blocked_ip"
        /// The response is not valid HTTP, or another error has occurred.
        case protocolError = "protocol"
    }

    package enum HTTPVersion: String, Sendable {
        case http10 = "1.0"
        case http11 = "1.1"
        case http2 = "2"
    }

    package var outcome: Outcome
    package var durationMilliseconds: Int
    /// Whether the connection had carried another request before. If such an exchange ends with `reset`, the receiver
    /// may have closed the connection just when this request was sent, and has then not processed it.
    package var isReusedConnection: Bool
    /// Whether any bytes of a response have arrived, even of an interim one.
    package var isAnswered: Bool
    /// The address that was called; for a `blocked` failure, the address that was refused.
    package var remoteAddress: String?
    /// The HTTP version of the response.
    package var httpVersion: HTTPVersion?
}

extension Exchange.ErrorKind {
    /// The kind of failure that an error code of libcurl means (libcurl-errors(3)).
    init(_ code: CURLcode) {
        self =
            switch code {
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: .dns
            case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED, CURLE_NO_CONNECTION_AVAILABLE: .connect
            case CURLE_OPERATION_TIMEDOUT: .timeout
            case CURLE_GOT_NOTHING, CURLE_HTTP2_STREAM, CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR: .reset
            case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
                CURLE_SSL_CLIENTCERT, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CRL_BADFILE, CURLE_SSL_ENGINE_INITFAILED,
                CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
                CURLE_SSL_SHUTDOWN_FAILED, CURLE_USE_SSL_FAILED:
                .tls
            default: .protocolError
            }
    }
}
