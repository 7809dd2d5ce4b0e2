/// The requests that wait for news. How many may wait is limited in all, for each client's address, and for each
/// subject.
struct ParkedRequests {
    /// Whether a request may wait.
    enum Placing: Equatable {
        case placed
        /// The request may wait, but the request with this token has to stop waiting: it is of the address with the most
        /// waiting requests.
        case insteadOf(UInt64)
        case refused
    }

    private let limit: Int
    private let addressLimit: Int
    private let subjectLimit: Int
    private var entries: [UInt64: (address: String, subject: String)] = [:]
    private var byAddress: [String: Int] = [:]
    private var bySubject: [String: Int] = [:]

    /// - Parameter limit: how many requests may wait in all, at least 4. One address may have half of them, and one
    ///   subject a quarter.
    init(limit: Int) {
        self.limit = max(4, limit)
        addressLimit = self.limit / 2
        subjectLimit = self.limit / 4
    }

    var isEmpty: Bool { entries.isEmpty }
    var tokens: [UInt64] { Array(entries.keys) }

    mutating func place(_ token: UInt64, address: String, subject: String) -> Placing {
        let own = byAddress[address, default: 0]
        guard own < addressLimit, bySubject[subject, default: 0] < subjectLimit else { return .refused }
        var victim: UInt64?
        if entries.count >= limit {
            guard let most = byAddress.max(by: { $0.value < $1.value }), most.value > own + 1 else { return .refused }
            victim = entries.first { $0.value.address == most.key }?.key
        }
        if let victim { remove(victim) }
        entries[token] = (address, subject)
        byAddress[address, default: 0] += 1
        bySubject[subject, default: 0] += 1
        return victim.map { .insteadOf($0) } ?? .placed
    }

    mutating func remove(_ token: UInt64) {
        guard let (address, subject) = entries.removeValue(forKey: token) else { return }
        Self.countDown(&byAddress, address)
        Self.countDown(&bySubject, subject)
    }

    private static func countDown(_ counts: inout [String: Int], _ key: String) {
        let left = counts[key, default: 1] - 1
        counts[key] = left > 0 ? left : nil
    }
}
