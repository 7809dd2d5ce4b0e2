@testable import HTTP
@testable import Values

/// A time that is read, written and read again is the same, and any number of microseconds is a time.
func fuzzTimestamp(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    if let time = Timestamp(iso8601: text), (0...253_402_300_799_999_999).contains(time.microseconds) {
        for zone in ["Z", "+00:00"] {
            require(Timestamp(iso8601: time.iso8601(zone: zone)) == time, "another time is read from what was written")
        }
    }
    let numbers = stride(from: 0, to: bytes.count - 15, by: 16).map { offset in
        [offset, offset + 8].map { start in
            Timestamp(microseconds: Int64(bitPattern: bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) }))
        }
    }
    for pair in numbers {
        _ = pair[0].iso8601()
        _ = pair[0].seconds(since: pair[1])
        _ = Moment(wall: pair[0], steady: pair[1]).wall(at: pair[0])
        let seconds = Double(bitPattern: UInt64(bitPattern: pair[1].microseconds))
        if seconds.isFinite { _ = pair[0].adding(seconds: seconds) }
    }
}
