internal import Delivery
internal import HTTP
internal import JSON
internal import Values

/// The JSON array of a user's subscriptions, in parts: a user may have very many. Each part shows them as they are when it
/// is made.
final class SubscriptionList: BodyParts {
    private let user: String
    private let store: any EventStore
    private let sealing: Sealing
    private var after: UInt64?
    private var left: Int
    private var json = JSONWriter(reserving: 2 * partBytes)

    /// Whether no subscription has come yet.
    private(set) var isEmpty = true
    private(set) var isOver = false

    /// Read at a time: each may be as long as the body that it came in.
    private static let pageSize = 16
    /// A part ends with the page that makes it as long.
    private static let partBytes = 64 << 10

    /// - Parameter after: the number of the destination after which it begins.
    init(of user: String, after: UInt64?, limit: Int, _ store: any EventStore, _ sealing: Sealing) {
        self.user = user
        self.after = after
        left = limit
        self.store = store
        self.sealing = sealing
        json.beginArray()
    }

    /// The next part; `nil` once it is over.
    func next() async throws(StoreFailure) -> [UInt8]? {
        guard !isOver else { return nil }
        while json.bytes.count < Self.partBytes {
            let wanted = min(left, Self.pageSize)
            let found = try await store.subscriptions(of: user, after: after, limit: wanted)
            for subscription in found { subscription.write(to: &json, sealing) }
            left -= found.count
            if let last = found.last {
                after = last.destination.number
                isEmpty = false
            }
            guard found.count == wanted, left > 0 else {
                json.endArray()
                isOver = true
                break
            }
        }
        return json.takeBytes()
    }
}
