import CZlib
import Testing

@testable import Encodings

/// Compresses with zlib.
/// - Parameter windowBits: 31 for gzip, 15 for zlib, -15 for deflate without a header.
func compressed(_ plain: [UInt8], windowBits: CInt) -> [UInt8] {
    var stream = unsafe z_stream()
    let size = unsafe CInt(MemoryLayout<z_stream>.size)
    unsafe deflateInit2_(&stream, 6, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, zlibVersion(), size)
    defer { unsafe deflateEnd(&stream) }
    var input = plain
    var output = [UInt8](repeating: 0, count: plain.count + plain.count / 8 + 128)
    let count = unsafe input.withUnsafeMutableBufferPointer { source in
        unsafe output.withUnsafeMutableBufferPointer { target in
            unsafe stream.next_in = source.baseAddress
            unsafe stream.avail_in = uInt(source.count)
            unsafe stream.next_out = target.baseAddress
            unsafe stream.avail_out = uInt(target.count)
            unsafe deflate(&stream, Z_FINISH)
            return unsafe target.count - Int(stream.avail_out)
        }
    }
    return Array(output[..<count])
}

@Suite struct InflateTests {
    private static let formats: [(ContentCoding, CInt)] = [(.gzip, 31), (.deflate, 15), (.deflate, -15)]
    private static let text = Array(String(repeating: "a webhook, and another; ", count: 500).utf8)

    @Test(arguments: formats)
    func `a compressed body is decompressed`(coding: ContentCoding, bits: CInt) throws {
        let random = (0..<100_000).map { _ in UInt8.random(in: 0 ... .max) }
        for plain in [[], [7], Self.text, random, [UInt8](repeating: 0, count: 1 << 20)] {
            #expect(try decompress(compressed(plain, windowBits: bits), coding, limit: plain.count) == plain)
        }
    }

    @Test(arguments: formats)
    func `a body one byte above the limit is refused`(coding: ContentCoding, bits: CInt) {
        let body = compressed(Self.text, windowBits: bits)
        #expect(throws: DecompressionError.tooLarge) { try decompress(body, coding, limit: Self.text.count - 1) }
    }

    @Test(arguments: formats)
    func `a compression bomb is refused`(coding: ContentCoding, bits: CInt) {
        let bomb = compressed([UInt8](repeating: 0, count: 20 << 20), windowBits: bits)
        #expect(throws: DecompressionError.tooLarge) { try decompress(bomb, coding, limit: 1 << 20) }
    }

    @Test(arguments: formats)
    func `a body that is cut anywhere is reported as truncated`(coding: ContentCoding, bits: CInt) {
        let body = compressed(Array(Self.text.prefix(100)), windowBits: bits)
        for count in 0..<body.count {
            #expect(throws: DecompressionError.truncated) {
                try decompress(Array(body.prefix(count)), coding, limit: 1000)
            }
        }
    }

    @Test func `consecutive gzip members are joined`() throws {
        let members =
            compressed(Array("one ".utf8), windowBits: 31) + compressed([], windowBits: 31)
            + compressed(Array("two".utf8), windowBits: 31)
        #expect(try decompress(members, .gzip, limit: 7) == Array("one two".utf8))
        #expect(throws: DecompressionError.tooLarge) { try decompress(members, .gzip, limit: 6) }
    }

    @Test(arguments: formats)
    func `a body with bytes after its end is reported as corrupt`(coding: ContentCoding, bits: CInt) {
        let body = compressed(Self.text, windowBits: bits) + [1, 2, 3]
        #expect(throws: DecompressionError.corrupt) { try decompress(body, coding, limit: 1 << 20) }
    }

    @Test func `a wrong checksum or another format is reported as corrupt`() {
        var body = compressed(Self.text, windowBits: 31)
        body[body.count - 8] ^= 1
        #expect(throws: DecompressionError.corrupt) { try decompress(body, .gzip, limit: 1 << 20) }
        #expect(throws: DecompressionError.corrupt) { try decompress(Self.text, .gzip, limit: 1 << 20) }
        #expect(throws: DecompressionError.corrupt) { try decompress([0xff, 0xff, 0xff], .deflate, limit: 1 << 20) }
    }

    @Test(arguments: [
        ("gzip", true), ("GZip", true), ("DEFLATE", true), ("x-gzip", true), ("X-GZip", true), ("x-deflate", false),
        ("br", false), ("", false), ("gzip, gzip", false),
    ])
    func `gzip and deflate are known, in any letter case`(name: String, isKnown: Bool) {
        #expect((ContentCoding(name) != nil) == isKnown)
    }
}
