internal import CZlib

/// Decompresses a body piece by piece, without holding all of it.
///
/// Several gzip members in a row are joined (RFC 1952, section 2.2). `deflate` is accepted with the zlib header that it
/// should have (RFC 1950) and without it, as some senders write it.
@safe package final class InflateStream {
    private let coding: ContentCoding
    // zlib keeps the address of its stream.
    private let stream: UnsafeMutablePointer<z_stream>
    private var isOpen = false
    private var input: [UInt8] = []
    private var consumed = 0
    private var hasLastInput = false
    private var isAtMemberEnd = false

    package init(_ coding: ContentCoding) {
        self.coding = coding
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
    }

    deinit {
        if isOpen { unsafe inflateEnd(stream) }
        unsafe stream.deinitialize(count: 1)
        unsafe stream.deallocate()
    }

    /// Whether `next` needs more input before it can go on.
    package var needsInput: Bool { !hasLastInput && (isOpen ? consumed == input.count : input.count < 2) }

    /// Adds the next bytes of the compressed body.
    /// - Parameter isLast: whether these are the last bytes.
    package func add(_ bytes: [UInt8], isLast: Bool) {
        input = consumed == input.count ? bytes : Array(input[consumed...]) + bytes
        consumed = 0
        hasLastInput = isLast
    }

    /// The next bytes of the result, at most so many; fewer, or none, if the input is used up. `nil` at the end.
    package func next(atMost limit: Int) throws(DecompressionError) -> [UInt8]? {
        guard !needsInput else { return [] }
        if !isOpen { try open() }
        if isAtMemberEnd {
            guard consumed < input.count else { return nil }
            guard coding == .gzip else { throw .corrupt }
            unsafe inflateReset(stream)
            isAtMemberEnd = false
        }
        let (code, output) = inflate(atMost: limit)
        switch code {
        case Z_STREAM_END: isAtMemberEnd = true
        // The input is used up, and zlib holds no more of the result.
        case Z_OK where output.isEmpty && isUsedUp, Z_BUF_ERROR where isUsedUp: throw .truncated
        case Z_OK, Z_BUF_ERROR: break
        default:
            // What was decompressed before the fault is still returned; the next call meets the fault again.
            guard !output.isEmpty else { throw .corrupt }
        }
        return output
    }

    private var isUsedUp: Bool { hasLastInput && consumed == input.count }

    private func inflate(atMost limit: Int) -> (code: CInt, output: [UInt8]) {
        var code = Z_OK
        let inputCount = input.count
        let output = unsafe [UInt8](unsafeUninitializedCapacity: limit) { target, count in
            unsafe input.withUnsafeMutableBufferPointer { source in
                unsafe stream.pointee.next_in = source.baseAddress.map { unsafe $0 + consumed }
                unsafe stream.pointee.avail_in = uInt(inputCount - consumed)
                unsafe stream.pointee.next_out = target.baseAddress
                unsafe stream.pointee.avail_out = uInt(limit)
                unsafe code = CZlib.inflate(stream, Z_NO_FLUSH)
                unsafe consumed = inputCount - Int(stream.pointee.avail_in)
            }
            unsafe count = limit - Int(stream.pointee.avail_out)
        }
        return (code, output)
    }

    private func open() throws(DecompressionError) {
        let hasZlibHeader =
            input.count >= 2 && input[0] & 0x0f == 8 && (Int(input[0]) << 8 | Int(input[1])) % 31 == 0
        let windowBits: CInt =
            switch coding {
            case .gzip: 16 + MAX_WBITS
            case .deflate: hasZlibHeader ? MAX_WBITS : -MAX_WBITS
            }
        let size = unsafe CInt(MemoryLayout<z_stream>.size)
        guard unsafe inflateInit2_(stream, windowBits, zlibVersion(), size) == Z_OK else { throw .corrupt }
        isOpen = true
    }
}
