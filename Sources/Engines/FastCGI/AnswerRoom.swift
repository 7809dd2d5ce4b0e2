/// Counts the memory that unsent answers hold, in all and for each client's address.
///
/// An answer that is made in parts holds only its current part. Bytes that the socket takes at once are not counted.
struct AnswerRoom {
    /// The limit for all answers of a process together.
    static let limitBytes = 64 << 20
    /// The limit for the answers to one address, so that one address cannot use up all of it.
    static let addressLimitBytes = limitBytes / 4
    /// The least that an answer made in parts counts as, from the moment its memory is reserved.
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

    /// Whether one more answer may begin. The overall limit does not apply while no answer is held, nor the limit of an
    /// address while the address has none, so that a single answer may be longer.
    func hasRoom(for address: String, bytes: Int = Self.partedBytes) -> Bool {
        let own = byAddress[address, default: 0]
        return (total == 0 || total + bytes <= limit) && (own == 0 || own + bytes <= addressLimit)
    }

    /// Records how many bytes the answer on a connection holds now.
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
