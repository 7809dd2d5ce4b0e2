internal import CLinux

/// The numeric address of a host, as inet_pton(3) reads it: without a zone, and no shortened forms of IPv4.
///
/// An IPv4-mapped IPv6 address (`::ffff:1.2.3.4`; RFC 4291, section 2.5.5.2) becomes the IPv4 address, so that it cannot
/// bypass a rule for that address.
package struct IPAddress: Hashable, Sendable, CustomStringConvertible {
    /// In network order: 4 for IPv4, 16 for IPv6.
    package let bytes: [UInt8]

    package init?(_ text: String) {
        // C would read the text only up to its first NUL.
        guard !text.utf8.contains(0) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16)
        if unsafe inet_pton(AF_INET, text, &bytes) == 1 {
            self.init(bytes: Array(bytes[..<4]))
        } else if unsafe inet_pton(AF_INET6, text, &bytes) == 1 {
            self.init(bytes: bytes)
        } else {
            return nil
        }
    }

    /// An IPv4 address in any notation that inet_aton(3), and therefore a lookup of names, accepts: one to four numbers,
    /// each decimal, octal (`0177`) or hexadecimal (`0x7f`), the last of which fills the remaining bytes (`127.1`).
    package static func ipv4(inAnyNotation text: String) -> IPAddress? {
        // C would read the text only up to its first NUL, and inet_aton up to a blank.
        guard text.utf8.allSatisfy({ $0 > 0x20 }) else { return nil }
        var address = in_addr()
        guard unsafe inet_aton(text, &address) != 0 else { return nil }
        return IPAddress(bytes: unsafe withUnsafeBytes(of: address.s_addr) { unsafe Array($0) })
    }

    /// - Parameter bytes: 4 or 16, in network order.
    package init?(bytes: [UInt8]) {
        switch bytes.count {
        case 16 where bytes.starts(with: Self.mappedPrefix): self.bytes = Array(bytes[Self.mappedPrefix.count...])
        case 4, 16: self.bytes = bytes
        default: return nil
        }
    }

    package var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let size = socklen_t(text.count)
        guard unsafe inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, size) != nil else {
            preconditionFailure("INET6_ADDRSTRLEN has room for every address")
        }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    fileprivate static let mappedPrefix: [UInt8] = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]
}

/// A network: the addresses that begin with the same bits, such as `10.0.0.0/8` or `2001:db8::/32`, or a single address.
///
/// An IPv6 network contains no IPv4 address, not even `::/0` does. A network of mapped addresses (`::ffff:10.0.0.0/104`)
/// becomes the IPv4 network; it is refused if its prefix is shorter than the 96 bits of the mapping.
package struct IPNetwork: Hashable, Sendable, CustomStringConvertible {
    /// The first address of the network: the bits after the prefix are 0.
    package let address: IPAddress
    package let prefixBits: Int

    /// Bits after the prefix may be set and are ignored. The prefix length may have only digits.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        let addressBits = 8 * address.bytes.count
        guard parts.count == 2 else {
            self.init(address: address, prefixBits: addressBits)
            return
        }
        guard parts[1].utf8.allSatisfy({ (48...57).contains($0) }), var bits = Int(parts[1]) else { return nil }
        if addressBits == 32, parts[0].contains(":") { bits -= 8 * IPAddress.mappedPrefix.count }
        self.init(address: address, prefixBits: bits)
    }

    /// - Parameter prefixBits: from 0 to 32 for IPv4, from 0 to 128 for IPv6.
    package init?(address: IPAddress, prefixBits: Int) {
        guard (0...8 * address.bytes.count).contains(prefixBits) else { return nil }
        let bytes = address.bytes.indices.map { index in
            address.bytes[index] & Self.mask(of: index, prefixBits: prefixBits)
        }
        guard let first = IPAddress(bytes: bytes) else { return nil }
        self.address = first
        self.prefixBits = prefixBits
    }

    package func contains(_ address: IPAddress) -> Bool {
        let (own, other) = (self.address.bytes, address.bytes)
        guard own.count == other.count else { return false }
        return own.indices.allSatisfy { other[$0] & Self.mask(of: $0, prefixBits: prefixBits) == own[$0] }
    }

    package var description: String { "\(address)/\(prefixBits)" }

    /// The bits of an address's byte that belong to the prefix.
    private static func mask(of index: Int, prefixBits: Int) -> UInt8 {
        // A shift by the width or more leaves 0.
        ~(UInt8.max >> max(0, prefixBits - 8 * index))
    }
}
