internal import CLinux

/// The machine's clocks, read in microseconds.
package enum SystemClock {
    /// The time of day, since 1970; it can be set, and then jumps (CLOCK_REALTIME).
    package static func realTimeMicroseconds() -> Int64 { microseconds(CLOCK_REALTIME) }

    /// Time since the machine started, sleep included; the same for every process, never set (CLOCK_BOOTTIME).
    package static func bootTimeMicroseconds() -> Int64 { microseconds(CLOCK_BOOTTIME) }

    /// Time since the machine started, without sleep, as systemd counts it (CLOCK_MONOTONIC).
    package static func monotonicMicroseconds() -> Int64 { microseconds(CLOCK_MONOTONIC) }

    /// Waits, a second at the most.
    package static func sleep(microseconds: UInt32) { usleep(min(microseconds, 1_000_000)) }

    /// How far the time of this process's zone, which TZ names, is ahead of UTC (localtime_r(3)).
    /// - Parameter seconds: since 1970.
    package static func zoneOffsetSeconds(at seconds: Int64) -> Int {
        var time = time_t(seconds)
        var parts = unsafe tm()
        return unsafe localtime_r(&time, &parts) == nil ? 0 : Int(parts.tm_gmtoff)
    }

    /// Reads a date and time of UTC, in seconds since 1970; `nil` where it is not in the form (strptime(3)), has more behind
    /// it, or does not exist.
    package static func seconds(reading text: String, in form: String) -> Int64? {
        var parts = unsafe tm()
        // What the form leaves out is 1900-01-01, at midnight.
        unsafe parts.tm_mday = 1
        let isWhole = unsafe text.withCString { text in
            unsafe strptime(text, form, &parts).map { unsafe $0.pointee == 0 } ?? false
        }
        let day = unsafe parts.tm_mday
        guard isWhole else { return nil }
        let seconds = unsafe Int64(timegm(&parts))
        // The C library takes 30 February for 2 March.
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
