internal import CZlib

/// How a body is compressed (RFC 9110, section 8.4.1).
package enum ContentCoding: Sendable {
    case gzip
    case deflate

    /// - Parameter name: as in the field `Content-Encoding`, in any letter case. `x-gzip` is an old name of gzip
    ///   (section 8.4.1.3).
    package init?(_ name: String) {
        switch name.lowercased() {
        case "gzip", "x-gzip": self = .gzip
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
    let stream = InflateStream(coding)
    stream.add(body, isLast: true)
    let portion = min(max(4 * body.count, 1024), 65536)
    while let piece = try stream.next(atMost: portion) {
        let taken = min(piece.count, limit - output.count)
        output += piece[..<taken]
        guard taken == piece.count else { throw .tooLarge }
    }
}
