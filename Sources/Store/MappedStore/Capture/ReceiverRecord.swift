internal import Capture

/// An endpoint's settings for answers and signatures, as they are stored under the endpoint's number.
enum ReceiverRecord: TableRecord {
    static let name = "the record of an endpoint's settings"

    private static let version: UInt8 = 1

    static func encode(_ receiver: StoredReceiver) -> [UInt8] {
        var writer = ByteWriter(reserving: receiver.settings.count + (receiver.sealedSecrets?.count ?? 0) + 64)
        writer.byte(version)
        writer.fixed(receiver.version)
        writer.number(UInt64(receiver.positions.count))
        for (rule, position) in receiver.positions.sorted(by: { $0.key < $1.key }) {
            writer.number(UInt64(rule))
            writer.number(UInt64(position))
        }
        writer.optional(receiver.sealedSecrets)
        writer.rest(receiver.settings)
        return writer.bytes
    }

    static func decode(_ span: RawSpan, at number: UInt64) -> StoredReceiver? {
        var reader = ByteReader(span)
        guard reader.byte() == Self.version, let version = reader.fixed(), let count = reader.number() else {
            return nil
        }
        var positions: [Int: Int] = [:]
        for _ in 0..<count {
            guard let rule = reader.number(), rule < 1 << 32, let position = reader.number(), position < 1 << 32 else {
                return nil
            }
            positions[Int(rule)] = Int(position)
        }
        guard let secrets = reader.optionalBytes() else { return nil }
        return StoredReceiver(
            version: version, settings: reader.rest(), sealedSecrets: secrets.value, positions: positions)
    }
}
