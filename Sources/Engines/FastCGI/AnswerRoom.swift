/// Memory that answers hold while their clients take them: in all, and for each client's address.
///
/// Of an answer that is made in parts, only the part under way is held. What a socket takes at once is not counted.
struct AnswerRoom {
    /// What all answers of a process may hold together.
    static let limitBytes = 64 << 20
    /// What the answers to one address may hold: so that no address takes all of it.
    static let addressLimitBytes = limitBytes / 4
    /// What an answer that is made in parts counts as at least, from the moment it is promised.
    static let partedBytes = 192 << 10
    /// A whole answer up to this length is always sent: a socket takes about as much at once.
    static let freeBytes = 192 << 10

    private let limit: Int
    private let addressLimit: Int
    private var held: [UInt64: (address: String, bytes: Int)] = [:]
    private var byAddress: [String: Int] = [:]
    private(set) var total = 0

    init(limitBytes: Int = Self.limitBytes) {
        limit = limitBytes
        addressLimit = limitBytes / (Self.limitBytes / Self.addressLimitBytes)
    }

    /// Whether one more answer may begin. The only one of an address always may: it can be longer than the address's share.
    func hasRoom(for address: String, bytes: Int = Self.partedBytes) -> Bool {
        let own = byAddress[address, default: 0]
        return (total == 0 || total + bytes <= limit) && (own == 0 || own + bytes <= addressLimit)
    }

    /// Notes how much the answer on a connection holds now.
    mutating func hold(_ bytes: Int, for address: String, token: UInt64) {
        release(token)
        guard bytes > 0 else { return }
        held[token] = (address, bytes)
        total += bytes
        byAddress[address, default: 0] += bytes
    }

    mutating func release(_ token: UInt64) {
        guard let (address, bytes) = held.removeValue(forKey: token) else { return }
        total -= bytes
        let left = byAddress[address, default: 0] - bytes
        byAddress[address] = left > 0 ? left : nil
    }
}
