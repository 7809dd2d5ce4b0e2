internal import Delivery
internal import HTTP
internal import Linux
internal import Storage
package import Values

/// A clock that runs evenly and is the same for every process on the machine: the time since the machine started, plus an
/// offset that was set once to agree with the time of day.
///
/// The store keeps the offset, and the start of the machine that it belongs to. After a restart of the machine the offset
/// is set again. If the time of day has gone back since, the clock continues from the last time that it showed, so that
/// what was due stays due.
package struct SteadyClock: StorageClock, Equatable {
    let bootID: String
    let offsetMicroseconds: Int64

    package func now() -> Moment {
        Moment(
            wall: Timestamp(microseconds: SystemClock.realTimeMicroseconds()),
            steady: Timestamp(microseconds: SystemClock.bootTimeMicroseconds() &+ offsetMicroseconds))
    }

    /// The clock for this start of the machine.
    /// - Parameter last: the latest time that it is known to have shown; ignored if it is too far ahead (`farAhead`).
    static func starting(bootID: String = Machine.bootID(), after last: Timestamp? = nil) -> SteadyClock {
        let time = SystemClock.realTimeMicroseconds()
        let isBelievable = last.map { $0 < .farAhead } ?? false
        let start = isBelievable ? max(time, last?.microseconds ?? time) : time
        return SteadyClock(bootID: bootID, offsetMicroseconds: start - SystemClock.bootTimeMicroseconds())
    }

    /// A clock that is `offsetMicroseconds` ahead of the time since the machine started.
    package init(bootID: String, offsetMicroseconds: Int64) {
        self.bootID = bootID
        self.offsetMicroseconds = offsetMicroseconds
    }

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.fixed(offsetMicroseconds)
        writer.counted(bootID.utf8)
        return writer.bytes
    }

    init?(_ span: RawSpan) {
        var reader = ByteReader(span)
        guard let offset = reader.fixedSigned(), let bootID = reader.text() else { return nil }
        self.init(bootID: bootID, offsetMicroseconds: offset)
    }
}

extension SteadyClock: KeylessRecord {
    typealias Key = RecordName
    static var name: String { "the clock" }
}
