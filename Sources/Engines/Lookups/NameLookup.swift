internal import Curl
internal import Linux
internal import Synchronization
internal import Values

/// Looks up the addresses of a name in the same way as a delivery: a request is begun, and each address that it would
/// connect to is noted and refused.
struct NameLookup: Sendable {
    private final class Found: Sendable {
        let addresses = Mutex<[IPAddress]>([])
    }

    private static let milliseconds = 3000

    private let found = Found()

    /// - Parameter host: in the form of `TargetURL`.
    func request(_ host: String) -> Outgoing {
        Outgoing(
            method: "GET", url: "http://\(host)/", timeoutMilliseconds: Self.milliseconds,
            connectTimeoutMilliseconds: Self.milliseconds
        ) { [found] address in
            found.addresses.withLock { $0.append(address) }
            return false
        }
    }

    /// The addresses found; empty if the name has none, or they were not found in time.
    var addresses: [IPAddress] { found.addresses.withLock { $0 } }

    /// A result is fresh for 5 s: long enough for the request that waits for it, and short enough that a corrected name is
    /// soon looked up again. Few lookups may be pending, as libcurl has a thread for each.
    static let rules = LookupCache<String, [IPAddress]>.Rules(
        freshSeconds: { _ in 5 }, pendingLimit: 32, resultLimit: 1000)
}
