import Linux
import Testing

@Suite struct ClocksTests {
    @Test(arguments: [
        ("2026-11-22 06:05:37", "%Y-%m-%d %H:%M:%S", 1_795_327_537),
        ("22/11/26", "%d/%m/%y", 1_795_305_600), ("1970", "%Y", 0), ("2028-02-29", "%Y-%m-%d", 1_835_395_200),
    ])
    func `a date is read in the given format`(text: String, form: String, seconds: Int64) {
        #expect(SystemClock.seconds(reading: text, in: form) == seconds)
    }

    @Test(arguments: [
        "", "2026-11-22", "2026-11-22 06:05:37.5", "2026-11-22 06:05:37 ", "2026-02-29 00:00:00", "2026-11-31 00:00:00",
        "2026-13-01 00:00:00", "2026-11-22 25:00:00", "yesterday",
    ])
    func `an invalid date, or one with other text after it, is refused`(text: String) {
        #expect(SystemClock.seconds(reading: text, in: "%Y-%m-%d %H:%M:%S") == nil)
    }
}
