package import Delivery

/// Writes events as their subscriptions want them.
package final class EventShaper: PayloadShaping {
    package init() {}

    package func shape(_ payload: Payload, as shape: [UInt8]) throws(ShapingFault) -> ShapedPayload {
        guard let wanted = EventShape(bytes: shape) else {
            throw ShapingFault(reason: "the format of the subscription is unknown")
        }
        do throws(EventShape.Fault) {
            return try wanted.shape(payload.body, id: payload.eventID)
        } catch {
            throw ShapingFault(reason: error.reason)
        }
    }
}
