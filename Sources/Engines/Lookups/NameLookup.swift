internal import Curl
internal import Linux
internal import Synchronization
internal import Values

/// Looks up a name's addresses as a delivery would: a request that offers each address, and connects to none.
struct NameLookup: Sendable {
    private final class Found: Sendable {
        let addresses = Mutex<[IPAddress]>([])
    }

    private static let milliseconds = 3000

    private let found = Found()

    /// - Parameter host: as `TargetURL` has it.
    func request(_ host: String) -> Outgoing {
        Outgoing(
            method: "GET", url: "http://\(host)/", timeoutMilliseconds: Self.milliseconds,
            connectTimeoutMilliseconds: Self.milliseconds
        ) { [found] address in
            found.addresses.withLock { $0.append(address) }
            return false
        }
    }

    /// Empty where the name has none, or they were not told in time.
    var addresses: [IPAddress] { found.addresses.withLock { $0 } }

    /// As long as a request needs to be answered anew; a name that was mended is soon looked up again. libcurl has a thread
    /// for each.
    static let rules = LookupCache<String, [IPAddress]>.Rules(
        freshSeconds: { _ in 5 }, pendingLimit: 32, resultLimit: 1000)
}
