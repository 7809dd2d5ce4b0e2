internal import HTTP
internal import Linux
internal import SystemPackage

/// The counters that all responders of an installation share, in a file in DATA_DIR/run: requests by route and status, and
/// how long they took.
struct ServiceCounters {
    private let counters: SharedCounters

    /// The upper bounds of the histogram, in seconds.
    static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
    private static let boundMicroseconds = bounds.map { Int64($0 * 1e6) }

    /// The statuses that are counted by number; all others are counted together.
    static let statuses = [
        200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 410, 413, 414, 415, 422, 429, 431, 500, 502, 503, 504, 507,
    ]
    private static let statusColumns: [UInt8] = {
        var columns = [UInt8](repeating: UInt8(statuses.count), count: 600)
        for (index, status) in statuses.enumerated() { columns[status] = UInt8(index) }
        return columns
    }()

    // A row for each route: statuses, other statuses, a bucket for each bound, the bucket above all bounds, and the sum of
    // the durations in microseconds.
    private static let bucketsColumn = statuses.count + 1
    private static let sumColumn = bucketsColumn + bounds.count + 1
    private static let columns = sumColumn + 1

    /// The version of the file's layout, a part of its name. Raise it whenever a counter moves: while responders are
    /// replaced, old and new ones count at the same time.
    private static let form = 1

    init(_ settings: Settings) {
        // The directory is missing only where a responder was not started by `postroom serve`.
        try? Files.makeDirectory(settings.runDirectory, permissions: [.ownerReadWriteExecute, .groupReadExecute])
        counters = SharedCounters(
            settings.runDirectory.appending("counters-\(Self.form)"),
            count: Self.columns * Route.allCases.count)
    }

    func count(_ route: Route, status: Int, microseconds: Int64) {
        let row = Int(route.rawValue) * Self.columns
        let column = status < Self.statusColumns.count ? Int(Self.statusColumns[max(0, status)]) : Self.statuses.count
        counters.add(1, to: row + column)
        let bucket = Self.boundMicroseconds.firstIndex { microseconds <= $0 } ?? Self.bounds.count
        counters.add(1, to: row + Self.bucketsColumn + bucket)
        counters.add(UInt64(max(0, microseconds)), to: row + Self.sumColumn)
    }

    /// The number of a route's requests by status; the last entry, "other", counts all statuses that have no entry.
    func requests(_ route: Route) -> [(status: String, count: UInt64)] {
        (Self.statuses.map(String.init) + ["other"]).enumerated().map { index, status in
            (status, counters.value(at: Int(route.rawValue) * Self.columns + index))
        }
    }

    /// The durations of a route's requests.
    /// - Returns: for each bound, how many requests took no longer than it and longer than the bound before; then how many
    ///   took longer than all bounds; and the sum of all durations, in microseconds.
    func durations(_ route: Route) -> (counts: [UInt64], microseconds: UInt64) {
        let row = Int(route.rawValue) * Self.columns
        return (
            (0...Self.bounds.count).map { counters.value(at: row + Self.bucketsColumn + $0) },
            counters.value(at: row + Self.sumColumn)
        )
    }
}
