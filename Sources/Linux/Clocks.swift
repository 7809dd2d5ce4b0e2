internal import CLinux

/// The machine's clocks, read in microseconds.
package enum SystemClock {
    /// The time of day, since 1970; it can be set, and then jumps (CLOCK_REALTIME).
    package static func realTimeMicroseconds() -> Int64 { microseconds(CLOCK_REALTIME) }

    /// Time since the machine started, sleep included; the same for every process, never set (CLOCK_BOOTTIME).
    package static func bootTimeMicroseconds() -> Int64 { microseconds(CLOCK_BOOTTIME) }

    /// How far the time of this process's zone, which TZ names, is ahead of UTC (localtime_r(3)).
    /// - Parameter seconds: since 1970.
    package static func zoneOffsetSeconds(at seconds: Int64) -> Int {
        var time = time_t(seconds)
        var parts = unsafe tm()
        return unsafe localtime_r(&time, &parts) == nil ? 0 : Int(parts.tm_gmtoff)
    }

    private static func microseconds(_ clock: CInt) -> Int64 {
        var time = timespec()
        unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }
}
