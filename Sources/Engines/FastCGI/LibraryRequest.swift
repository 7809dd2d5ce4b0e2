internal import CFastCGI
internal import Glibc
internal import HTTP
internal import SystemPackage

/// libfcgi's own state of a request, of one at a time. It reads, and is kept from writing and from closing.
@safe final class LibraryRequest {
    private let request: UnsafeMutablePointer<FCGX_Request>

    /// libfcgi must be initialised once in a process before the first request.
    static func prepareLibrary() {
        // Else closing a connection may wait two seconds for the other side (os_unix.c, OS_Close).
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

    /// Reads a request that lies in `source` in whole, as `outline` says, to its last byte.
    /// - Parameter bodyIsThere: whether the body follows the parameters; else it counts as too long to keep.
    /// - Returns: `nil` where libfcgi refuses it.
    func read(
        from source: FileDescriptor, _ outline: RequestOutline, bodyIsThere: Bool
    ) -> (Parameters, body: [UInt8]?)? {
        unsafe request.pointee.ipcFd = source.rawValue
        // FCGX_Accept_r first ends the request before; this keeps it from closing the connection (FCGX_Finish_r).
        unsafe request.pointee.keepConnection = 1
        guard unsafe FCGX_Accept_r(request) == 0 else { return nil }
        // No writer is ever closed, so libfcgi writes nothing: its streams are thrown away with what they hold.
        defer { unsafe FCGX_Free(request, 0) }

        var parameters = Parameters()
        var entry = unsafe request.pointee.envp
        while let text = unsafe entry?.pointee {
            unsafe parameters.add(UnsafeRawBufferPointer(start: text, count: strlen(text)).bytes)
            unsafe entry = entry?.advanced(by: 1)
        }
        guard bodyIsThere else { return (parameters, nil) }
        let body = outline.bodyBytes == 0 ? [] : readBody(outline.bodyBytes)
        // The end of the body is a record of its own.
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
