package import Values

/// A body whose pieces are read while it is sent. Several short ones are sent together.
package final class BodyPieces: BodyParts {
    private let read: () async throws(StoreFailure) -> (bytes: [UInt8], isLast: Bool)
    private var isOver = false

    /// A part has at least so many bytes, except for the last one.
    package static let partBytes = 48 << 10

    /// - Parameter read: returns the next piece, and whether it is the last one.
    package init(_ read: @escaping () async throws(StoreFailure) -> (bytes: [UInt8], isLast: Bool)) { self.read = read }

    package func next() async throws(StoreFailure) -> [UInt8]? {
        guard !isOver else { return nil }
        var part: [UInt8] = []
        while part.count < Self.partBytes, !isOver {
            let (bytes, isLast) = try await read()
            part += bytes
            isOver = isLast
        }
        return part
    }
}
