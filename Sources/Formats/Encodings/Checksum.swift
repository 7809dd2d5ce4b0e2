internal import CZlib

/// The CRC-32 of bytes (RFC 1952, section 8), which shows whether a record was written completely.
package func checksum(of bytes: some Collection<UInt8>) -> UInt32 {
    let sum = bytes.withContiguousStorageIfAvailable { buffer in
        unsafe UInt32(truncatingIfNeeded: crc32_z(0, buffer.baseAddress, buffer.count))
    }
    return sum ?? checksum(of: Array(bytes))
}
