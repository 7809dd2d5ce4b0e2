import Delivery
import Events
import HTTP
import Values

extension Subscription {
    /// A subscription of the user "u" that is not stored yet.
    static func example(
        _ id: UUID, _ expression: String = "$", inFlight: Int = DestinationLimits().inFlight,
        approvalPath: String? = nil, at time: Timestamp
    ) -> Subscription {
        let destination = Destination(
            number: 0, url: "http://receiver.test/", policy: .events, limits: DestinationLimits(inFlight: inFlight),
            protocolKind: .event, approvalPath: approvalPath,
            shape: [Subscription.Format.json.rawValue] + Subscription.noExtensions)
        return Subscription(
            id: id, user: "u", name: "n", expression: expression, target: "", destination: destination, created: time,
            updated: time)
    }
}
