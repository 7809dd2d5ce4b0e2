/// The requests that wait for news, and how the places to wait are shared: by the client's address, and by what they wait
/// for.
struct ParkedRequests {
    /// What became of a request that wants to wait.
    enum Placing: Equatable {
        case placed
        /// It was placed, and this one has to give up its place: it is of the address that has the most.
        case insteadOf(UInt64)
        case refused
    }

    private let limit: Int
    private let addressLimit: Int
    private let subjectLimit: Int
    private var entries: [UInt64: (address: String, subject: String)] = [:]
    private var byAddress: [String: Set<UInt64>] = [:]
    private var bySubject: [String: Int] = [:]

    /// - Parameter limit: how many may wait in all; of one address half of them, and for one subject a quarter.
    init(limit: Int) {
        self.limit = max(4, limit)
        addressLimit = self.limit / 2
        subjectLimit = self.limit / 4
    }

    var isEmpty: Bool { entries.isEmpty }
    var tokens: [UInt64] { Array(entries.keys) }

    mutating func place(_ token: UInt64, address: String, subject: String) -> Placing {
        let own = byAddress[address]?.count ?? 0
        guard own < addressLimit, bySubject[subject, default: 0] < subjectLimit else { return .refused }
        var victim: UInt64?
        if entries.count >= limit {
            guard let most = byAddress.max(by: { $0.value.count < $1.value.count }), most.value.count > own + 1 else {
                return .refused
            }
            victim = most.value.first
        }
        if let victim { remove(victim) }
        entries[token] = (address, subject)
        byAddress[address, default: []].insert(token)
        bySubject[subject, default: 0] += 1
        return victim.map { .insteadOf($0) } ?? .placed
    }

    mutating func remove(_ token: UInt64) {
        guard let (address, subject) = entries.removeValue(forKey: token) else { return }
        byAddress[address]?.remove(token)
        if byAddress[address]?.isEmpty == true { byAddress[address] = nil }
        let left = bySubject[subject, default: 1] - 1
        bySubject[subject] = left > 0 ? left : nil
    }
}
