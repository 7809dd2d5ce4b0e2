internal import Delivery
internal import HTTP
internal import JSON
internal import Values

/// The JSON array of a user's subscriptions, made in parts because a user may have many. Each part shows the state at the
/// time it is made.
final class SubscriptionList: BodyParts {
    private let user: String
    private let store: any EventStore
    private let sealing: Sealing
    private var after: UInt64?
    private var left: Int
    private var json = JSONWriter(reserving: 2 * partBytes)

    /// Whether no subscription has been found yet.
    private(set) var isEmpty = true
    private(set) var isOver = false

    /// Subscriptions read at a time; each may be as long as the request body that created it.
    private static let pageSize = 16
    /// A part ends with the page that reaches this length.
    private static let partBytes = 64 << 10

    /// - Parameter after: the number of a destination; the list begins after it.
    init(of user: String, after: UInt64?, limit: Int, _ store: any EventStore, _ sealing: Sealing) {
        self.user = user
        self.after = after
        left = limit
        self.store = store
        self.sealing = sealing
        json.beginArray()
    }

    /// The next part; `nil` at the end.
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
