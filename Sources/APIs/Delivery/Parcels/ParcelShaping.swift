/// A parcel as it is sent to one destination.
package struct ShapedParcel: Equatable, Sendable {
    /// `Content-Type` among them, unless there is no body.
    package let headers: [HeaderField]
    package let body: [UInt8]

    package init(headers: [HeaderField], body: [UInt8]) {
        self.headers = headers
        self.body = body
    }
}

/// Why a parcel cannot be sent to a destination, in one sentence.
package struct ShapingFault: Error, Equatable, Sendable {
    package let reason: String

    package init(reason: String) { self.reason = reason }
}

/// Writes parcels as their destinations want them. What that is, a destination's own service alone knows.
package protocol ParcelShaping: AnyObject {
    /// - Parameter shape: of the destination.
    func shape(_ parcel: Parcel, as shape: [UInt8]) throws(ShapingFault) -> ShapedParcel
}
