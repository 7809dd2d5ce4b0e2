package import Delivery

/// Writes events as their subscriptions want them.
package final class EventShaper: ParcelShaping {
    package init() {}

    package func shape(_ parcel: Parcel, as shape: [UInt8]) throws(ShapingFault) -> ShapedParcel {
        guard let wanted = EventShape(bytes: shape) else { throw ShapingFault(reason: "the format is not known") }
        do throws(EventShape.Fault) {
            return try wanted.shape(parcel.body, id: parcel.eventID)
        } catch {
            throw ShapingFault(reason: error.reason)
        }
    }
}
