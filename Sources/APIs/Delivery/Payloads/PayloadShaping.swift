/// A payload as it is sent to one destination.
package struct ShapedPayload: Equatable, Sendable {
    /// Includes `Content-Type`, unless there is no body.
    package let headers: [HeaderField]
    package let body: [UInt8]

    package init(headers: [HeaderField], body: [UInt8]) {
        self.headers = headers
        self.body = body
    }
}

/// Why a payload cannot be sent to a destination, in one sentence.
package struct ShapingFault: Error, Equatable, Sendable {
    package let reason: String

    package init(reason: String) { self.reason = reason }
}

/// Writes payloads in the form that their destinations want. Only the API that created a destination can read its shape.
package protocol PayloadShaping: AnyObject {
    /// - Parameter shape: the destination's `shape`.
    func shape(_ payload: Payload, as shape: [UInt8]) throws(ShapingFault) -> ShapedPayload
}
