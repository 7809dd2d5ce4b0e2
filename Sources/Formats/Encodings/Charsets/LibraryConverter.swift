internal import Glibc

/// A converter of the C library (iconv(3)) from another encoding to UTF-8.
@safe final class LibraryConverter {
    private let handle: iconv_t
    /// The bytes of a character that the next bytes complete.
    private var rest: [UInt8] = []

    /// - Returns: `nil` if the C library does not have it.
    init?(_ name: String) {
        let opened = unsafe iconv_open("UTF-8", name)
        guard Int(bitPattern: opened) != -1, let opened = unsafe opened else { return nil }
        unsafe handle = opened
    }

    deinit { unsafe iconv_close(handle) }

    /// Converts the next bytes.
    /// - Parameter isLast: whether these are the last bytes.
    /// - Returns: whole characters in UTF-8; `nil` if the bytes are not valid in the encoding.
    func convert(_ bytes: some Collection<UInt8>, isLast: Bool) -> [UInt8]? {
        var source = (rest + bytes).map { CChar(bitPattern: $0) }
        // No encoding that is known here needs more than four bytes of UTF-8 for one byte of its own.
        var target = [CChar](repeating: 0, count: source.count * 4 + 16)
        var left = 0
        let written: Int? = unsafe source.withUnsafeMutableBufferPointer { source in
            unsafe target.withUnsafeMutableBufferPointer { target in
                var from = source.baseAddress
                left = source.count
                var to = target.baseAddress
                var toLeft = target.count
                if unsafe iconv(handle, &from, &left, &to, &toLeft) == -1 {
                    // EINVAL: the last character is incomplete (iconv(3)).
                    guard errno == EINVAL, !isLast else { return nil }
                }
                if isLast, unsafe iconv(handle, nil, nil, &to, &toLeft) == -1 { return nil }
                return target.count - toLeft
            }
        }
        rest = source.suffix(left).map { UInt8(bitPattern: $0) }
        return written.map { target[..<$0].map { UInt8(bitPattern: $0) } }
    }
}
