/// A point in time, in microseconds since 1970-01-01T00:00:00Z. It is not Foundation's `Date` because it must be exact,
/// and that is a `Double`.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.microseconds < right.microseconds }

    /// This time plus a number of seconds; the result is limited to the range of the type.
    package func adding(seconds: Double) -> Timestamp {
        let moved = Double(microseconds) + seconds * 1e6
        if moved >= Double(Int64.max) { return Timestamp(microseconds: .max) }
        if moved <= Double(Int64.min) { return Timestamp(microseconds: .min) }
        // The sum is exact if the distance fits 64 bits; a larger `Double` is less precise than microseconds anyway.
        guard let distance = Int64(exactly: (seconds * 1e6).rounded(.towardZero)) else {
            return Timestamp(microseconds: Int64(moved))
        }
        let (sum, overflow) = microseconds.addingReportingOverflow(distance)
        return Timestamp(microseconds: overflow ? .max : sum)
    }

    /// Seconds from the other time to this one.
    package func seconds(since other: Timestamp) -> Double {
        // A time from a damaged record may be any number, so the difference may overflow.
        let (distance, overflow) = microseconds.subtractingReportingOverflow(other.microseconds)
        return (overflow ? Double(microseconds) - Double(other.microseconds) : Double(distance)) / 1e6
    }
}

extension Timestamp {
    /// ISO 8601 in UTC with as many microseconds as there are, `2026-11-22T06:05:37.619275`; the fraction is left out
    /// when it is exactly 0.
    /// - Parameter zone: the text at the end, `Z` or `+00:00`.
    package func iso8601(zone: String = "Z") -> String {
        let (second, fraction) = microseconds.floorDivided(by: 1_000_000)
        let (day, secondOfDay) = second.floorDivided(by: 86_400)
        let (year, month, dayOfMonth) = Self.date(ofDay: day)
        var text = "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfMonth, 2))T"
        text += "\(pad(secondOfDay / 3600, 2)):\(pad(secondOfDay / 60 % 60, 2)):\(pad(secondOfDay % 60, 2))"
        if fraction != 0 { text += ".\(pad(fraction, 6))" }
        return text + zone
    }

    /// Reads what `iso8601` writes, with one to nine digits of fraction and `Z` or an offset at the end; `nil` also if
    /// the month does not have that day.
    package init?(iso8601 text: String) {
        var rest = Substring(text)
        func digits(_ count: Int) -> Int64? {
            let part = rest.prefix(count)
            guard part.utf8.count == count, part.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
            rest = rest.dropFirst(count)
            return Int64(part)
        }
        func sign(_ character: Character) -> Bool {
            guard rest.first == character else { return false }
            rest = rest.dropFirst()
            return true
        }
        guard let year = digits(4), sign("-"), let month = digits(2), sign("-"), let day = digits(2),
            (1...12).contains(month), (1...31).contains(day), sign("T"),
            let hour = digits(2), sign(":"), let minute = digits(2), sign(":"), let second = digits(2),
            hour < 24, minute < 60, second < 61
        else { return nil }
        var fraction: Int64 = 0
        if sign(".") {
            let part = rest.prefix { $0.isASCII && $0.isNumber }
            guard (1...9).contains(part.count), let value = Int64((part + "00000").prefix(6)) else { return nil }
            fraction = value
            rest = rest.dropFirst(part.count)
        }
        var offset: Int64 = 0
        if rest != "Z" {
            let isEast = rest.first == "+"
            guard isEast || rest.first == "-" else { return nil }
            rest = rest.dropFirst()
            guard let hours = digits(2), sign(":"), let minutes = digits(2), rest.isEmpty,
                hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * (isEast ? 60 : -60)
        }
        let days = Self.day(ofDate: (year, month, day))
        guard Self.date(ofDay: days) == (year, month, day) else { return nil }
        microseconds = (days * 86_400 + hour * 3600 + minute * 60 + second - offset) * 1_000_000 + fraction
    }

    /// The proleptic Gregorian date of a day counted from 1970, by eras of 400 years that begin on 1 March.
    private static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = (day + 719_468).floorDivided(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }

    private static func day(ofDate date: (year: Int64, month: Int64, day: Int64)) -> Int64 {
        let year = date.month <= 2 ? date.year - 1 : date.year
        let (era, yearOfEra) = year.floorDivided(by: 400)
        let dayOfYear = (153 * (date.month > 2 ? date.month - 3 : date.month + 9) + 2) / 5 + date.day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

private func pad(_ value: Int64, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

/// An instant, read from two clocks at once.
package struct Moment: Hashable, Sendable {
    /// The time of day. It jumps when the clock is set.
    package let wall: Timestamp
    /// The time by which things expire. It advances evenly while the machine runs, even if the time of day is set, and
    /// is the same for every process that shares a store.
    package let steady: Timestamp

    package init(wall: Timestamp, steady: Timestamp) {
        self.wall = wall
        self.steady = steady
    }

    /// What the steady clock shows at a time of day, provided that the time of day is not set until then.
    package func steady(at wall: Timestamp) -> Timestamp {
        Timestamp(microseconds: steady.microseconds &+ (wall.microseconds &- self.wall.microseconds))
    }

    /// The time of day when the steady clock showed `steady`, provided that the time of day was not set in between.
    package func wall(at steady: Timestamp) -> Timestamp {
        Timestamp(microseconds: wall.microseconds &- (self.steady.microseconds &- steady.microseconds))
    }
}
