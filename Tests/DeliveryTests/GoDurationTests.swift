import Testing

@testable import Delivery

@Suite struct GoDurationTests {
    @Test(
        arguments: [
            ("250ms", 0.25), ("5s", 5), ("1m30s", 90), ("1.5h", 5400), (".5s", 0.5), ("5.s", 5), ("0", 0), ("+2m", 120),
            ("1h1h", 7200), ("1us", 1e-6), ("1µs", 1e-6), ("1μs", 1e-6), ("3ns", 3e-9),
            ("", nil), ("5", nil), ("-1s", nil), ("+", nil), ("s", nil), (".s", nil), ("1..5s", nil), ("1 s", nil),
            ("1d", nil), ("1S", nil), ("1s5", nil), ("１s", nil), ("99999999h", nil), ("1e3s", nil), ("00", nil),
        ] as [(String, Double?)])
    func `a duration is read as Go reads it`(text: String, seconds: Double?) {
        #expect(GoDuration.seconds(text) == seconds)
    }

    @Test(
        arguments: [
            (0, "0s"), (5, "5s"), (60, "1m"), (90, "1m30s"), (5400, "1h30m"), (86400, "24h"), (3601, "1h1s"),
            (0.25, "0.25s"), (60.5, "1m0.5s"), (0.000_000_001, "0.000000001s"), (-1, "0s"),
        ] as [(Double, String)])
    func `a duration is written in a form that reads back the same`(seconds: Double, text: String) {
        #expect(GoDuration.text(seconds) == text)
        #expect(GoDuration.seconds(text) == max(0, seconds))
    }
}
