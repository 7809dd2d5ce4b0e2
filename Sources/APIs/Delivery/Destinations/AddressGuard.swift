package import Values

/// Decides which addresses may be called: public addresses of the Internet, and the networks that an operator has allowed.
///
/// Without it, a user who may set a target URL could reach services that only this machine and its network can reach.
package struct AddressGuard: URLRules, Sendable {
    private let allowed: [IPNetwork]

    /// - Parameter allowed: DELIVERY_ALLOW_SUBNETS.
    package init(allowing allowed: [IPNetwork] = []) { self.allowed = allowed }

    package func allows(_ address: IPAddress) -> Bool { refusingNetwork(of: address) == nil }

    /// Why an address may not be called; `nil` if it may.
    package func refusal(of address: IPAddress) -> String? {
        refusingNetwork(of: address).map { network in
            "the address \(address) is in \(network), which is not called unless DELIVERY_ALLOW_SUBNETS includes it"
        }
    }

    /// The error in a URL, as far as the URL alone shows it; `nil` if it has none.
    package func fault(ofURL url: String, httpsOnly: Bool = false) -> String? {
        do throws(TargetURL.Problem) {
            return try TargetURL(url, httpsOnly: httpsOnly).address.flatMap { refusal(of: $0) }
        } catch {
            return error.description
        }
    }

    package func fault(_ url: String) -> String? { fault(ofURL: url) }

    private func refusingNetwork(of address: IPAddress) -> IPNetwork? {
        if allowed.contains(where: { $0.contains(address) }) { return nil }
        if Self.translated.contains(address), let inner = IPAddress(bytes: Array(address.bytes[12...])) {
            return refusingNetwork(of: inner)
        }
        return Self.closed.first { $0.contains(address) }
    }

    /// The IPv6 addresses under which a NAT64 translator offers IPv4 addresses (RFC 6052, section 2.1). The last four bytes
    /// are the address that is called.
    private static let translated = network("64:ff9b::/96")

    /// Networks that are not public, or not a single receiver's (the special-purpose address registries of IANA, RFC 6890).
    private static let closed = [
        "0.0.0.0/8",  // this network; 0.0.0.0 is this host
        "10.0.0.0/8",  // private
        "100.64.0.0/10",  // shared with a provider's other customers
        "127.0.0.0/8",  // this host
        "168.63.129.16/32",  // services of Azure for the machine itself
        "169.254.0.0/16",  // this link, and where clouds keep a machine's credentials
        "172.16.0.0/12",  // private
        "192.0.0.0/24",  // protocols of the IETF
        "192.0.2.0/24",  // documentation
        "192.88.99.0/24",  // relays to 6to4
        "192.168.0.0/16",  // private
        "198.18.0.0/15",  // benchmarks
        "198.51.100.0/24",  // documentation
        "203.0.113.0/24",  // documentation
        "224.0.0.0/4",  // many receivers
        "240.0.0.0/4",  // reserved, and 255.255.255.255
        "::/8",  // this host, and IPv4 in an older way to write it
        "64:ff9b:1::/48",  // a translator's own addresses (RFC 8215)
        "100::/64",  // discarded
        "100:0:0:1::/64",  // a dummy prefix (RFC 9780)
        "2001::/32",  // Teredo: IPv4 addresses, any of them
        "2001:2::/48",  // benchmarking
        "2001:10::/28",  // ORCHID, returned in 2014
        "2001::/23",  // protocols of the IETF
        "2001:db8::/32",  // documentation
        "2002::/16",  // 6to4: IPv4 addresses, whichever
        "3fff::/20",  // documentation
        "5f00::/16",  // segment routing
        "fc00::/7",  // private
        "fe80::/10",  // this link
        "fec0::/10",  // this site
        "ff00::/8",  // many receivers
        // All global unicast addresses are in 2000::/3 (RFC 4291, section 2.4; IANA, IPv6 address space). Later
        // assignments outside it are blocked too.
        "::/3", "4000::/2", "8000::/1",
    ].map(network)

    private static func network(_ text: String) -> IPNetwork {
        guard let network = IPNetwork(text) else { preconditionFailure("\(text) is not a network") }
        return network
    }
}
