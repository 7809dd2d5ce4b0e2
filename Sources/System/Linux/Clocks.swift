internal import CLinux

/// The machine's clocks, read in microseconds.
package enum SystemClock {
    /// The time of day, since 1970. It jumps when the clock is set (CLOCK_REALTIME).
    package static func realTimeMicroseconds() -> Int64 { microseconds(CLOCK_REALTIME) }

    /// Time since the machine started, sleep included; the same for every process, never set (CLOCK_BOOTTIME).
    package static func bootTimeMicroseconds() -> Int64 { microseconds(CLOCK_BOOTTIME) }

    /// Time since the machine started, without sleep, as systemd counts it (CLOCK_MONOTONIC).
    package static func monotonicMicroseconds() -> Int64 { microseconds(CLOCK_MONOTONIC) }

    /// Stops this thread for a while, one second at most.
    package static func sleep(microseconds: UInt32) { usleep(min(microseconds, 1_000_000)) }

    /// How far this process's time zone, set by TZ, is ahead of UTC (localtime_r(3)).
    /// - Parameter seconds: since 1970.
    package static func zoneOffsetSeconds(at seconds: Int64) -> Int {
        var time = time_t(seconds)
        var parts = unsafe tm()
        return unsafe localtime_r(&time, &parts) == nil ? 0 : Int(parts.tm_gmtoff)
    }

    /// Reads a date and time of UTC, in seconds since 1970; `nil` if the text does not match the format (strptime(3)),
    /// goes on after it, or names a day that does not exist.
    package static func seconds(reading text: String, in form: String) -> Int64? {
        var parts = unsafe tm()
        // Parts that the format leaves out default to 1900-01-01, at midnight.
        unsafe parts.tm_mday = 1
        let isWhole = unsafe text.withCString { text in
            unsafe strptime(text, form, &parts).map { unsafe $0.pointee == 0 } ?? false
        }
        let day = unsafe parts.tm_mday
        guard isWhole else { return nil }
        let seconds = unsafe Int64(timegm(&parts))
        // timegm turns a day that does not exist, such as 30 February, into a later one.
        return unsafe parts.tm_mday == day ? seconds : nil
    }

    /// Stops this thread for a while.
    package static func pause(milliseconds: Int) { usleep(useconds_t(max(0, milliseconds) * 1000)) }

    private static func microseconds(_ clock: CInt) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
