internal import CZlib

/// How a body is compressed (RFC 9110, section 8.4.1).
package enum ContentCoding: Sendable {
    case gzip
    case deflate

    /// - Parameter name: as in the field `Content-Encoding`, in any letter case.
    package init?(_ name: String) {
        switch name.lowercased() {
        case "gzip": self = .gzip
        case "deflate": self = .deflate
        default: return nil
        }
    }
}

package enum DecompressionError: Error, Equatable, Sendable {
    /// Not in the format, or its checksum is wrong.
    case corrupt
    /// It ends too early.
    case truncated
    /// The result would be larger than the limit.
    case tooLarge
}

/// Decompresses a whole body, never holding more than `limit` bytes of the result.
///
/// Several gzip members in a row are joined (RFC 1952, section 2.2). `deflate` is accepted with the zlib header that it
/// should have (RFC 1950) and without it, as some senders write it.
package func decompress(_ body: [UInt8], _ coding: ContentCoding, limit: Int) throws(DecompressionError) -> [UInt8] {
    var output: [UInt8] = []
    try inflateBody(body, coding, limit: limit, into: &output)
    return output
}

/// Decompresses the beginning of a body, of which only the first bytes may be given.
/// - Returns: at most `limit` bytes, and whether these are the whole result with a correct checksum.
package func decompressedPrefix(
    _ body: [UInt8], _ coding: ContentCoding, limit: Int
) -> (bytes: [UInt8], isWhole: Bool) {
    var output: [UInt8] = []
    do throws(DecompressionError) {
        try inflateBody(body, coding, limit: limit, into: &output)
        return (output, true)
    } catch {
        return (output, false)
    }
}

/// - Parameter output: gets the bytes decompressed so far even if this throws.
private func inflateBody(
    _ body: [UInt8], _ coding: ContentCoding, limit: Int, into output: inout [UInt8]
) throws(DecompressionError) {
    var stream = unsafe z_stream()
    let hasZlibHeader = body.count >= 2 && body[0] & 0x0f == 8 && (Int(body[0]) << 8 | Int(body[1])) % 31 == 0
    let windowBits: CInt =
        switch coding {
        case .gzip: 16 + MAX_WBITS
        case .deflate: hasZlibHeader ? MAX_WBITS : -MAX_WBITS
        }
    let size = unsafe CInt(MemoryLayout<z_stream>.size)
    guard unsafe inflateInit2_(&stream, windowBits, zlibVersion(), size) == Z_OK else { throw .corrupt }
    defer { unsafe inflateEnd(&stream) }

    var input = body
    var chunk = [UInt8](repeating: 0, count: min(max(4 * body.count, 1024), 65536))
    let inputCount = input.count
    var consumed = 0
    while true {
        let (code, produced, left) = unsafe input.withUnsafeMutableBufferPointer { source in
            unsafe chunk.withUnsafeMutableBufferPointer { target in
                unsafe stream.next_in = source.baseAddress.map { unsafe $0 + consumed }
                unsafe stream.avail_in = uInt(inputCount - consumed)
                unsafe stream.next_out = target.baseAddress
                unsafe stream.avail_out = uInt(target.count)
                let code = unsafe inflate(&stream, Z_NO_FLUSH)
                return unsafe (code, target.count - Int(stream.avail_out), Int(stream.avail_in))
            }
        }
        consumed = inputCount - left
        let taken = min(produced, limit - output.count)
        output += chunk[..<taken]
        guard taken == produced else { throw .tooLarge }
        switch code {
        case Z_STREAM_END where left == 0: return
        case Z_STREAM_END where coding == .gzip: unsafe inflateReset(&stream)
        case Z_OK where left > 0 || produced > 0: continue
        case Z_OK, Z_BUF_ERROR: throw .truncated
        default: throw .corrupt
        }
    }
}
