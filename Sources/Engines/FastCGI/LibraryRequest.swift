internal import CFastCGI
internal import Glibc
internal import HTTP
internal import SystemPackage

/// Reads requests with libfcgi, one at a time. libfcgi is used only to read: it is prevented from writing and from
/// closing connections.
@safe final class LibraryRequest {
    private let request: UnsafeMutablePointer<FCGX_Request>

    /// libfcgi must be initialised once in a process before the first request.
    static func prepareLibrary() {
        // Without this, closing a connection may wait two seconds for the other side (os_unix.c, OS_Close).
        unsafe setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", "0", 1)
        FCGX_Init()
    }

    init() {
        unsafe request = .allocate(capacity: 1)
        unsafe FCGX_InitRequest(request, -1, 0)
    }

    deinit {
        unsafe FCGX_Free(request, 0)
        unsafe request.deallocate()
    }

    /// Reads one request to its last byte. `source` must hold all of it, as `outline` describes it.
    /// - Parameter bodyIsThere: whether the body follows the parameters. If not, it was too long to keep, and `nil` is
    ///   returned for it.
    /// - Returns: `nil` if libfcgi cannot read the request.
    func read(
        from source: FileDescriptor, _ outline: RequestOutline, bodyIsThere: Bool
    ) -> (Parameters, body: [UInt8]?)? {
        unsafe request.pointee.ipcFd = source.rawValue
        // FCGX_Accept_r first ends the previous request; this keeps it from closing the connection (FCGX_Finish_r).
        unsafe request.pointee.keepConnection = 1
        guard unsafe FCGX_Accept_r(request) == 0 else { return nil }
        // libfcgi would write when an output stream is closed. The streams are freed without that, so it writes nothing.
        defer { unsafe FCGX_Free(request, 0) }

        var parameters = Parameters()
        var entry = unsafe request.pointee.envp
        while let text = unsafe entry?.pointee {
            unsafe parameters.add(UnsafeRawBufferPointer(start: text, count: strlen(text)).bytes)
            unsafe entry = entry?.advanced(by: 1)
        }
        guard bodyIsThere else { return (parameters, nil) }
        let body = outline.bodyBytes == 0 ? [] : readBody(outline.bodyBytes)
        // The body ends with an empty record, which this call reads.
        guard body.count == outline.bodyBytes, unsafe FCGX_GetChar(request.pointee.in) < 0 else { return nil }
        return (parameters, body)
    }

    private func readBody(_ bytes: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
            unsafe buffer.withMemoryRebound(to: CChar.self) { characters in
                count = unsafe Int(
                    FCGX_GetStr(characters.baseAddress, CInt(clamping: characters.count), request.pointee.in))
            }
        }
    }
}
