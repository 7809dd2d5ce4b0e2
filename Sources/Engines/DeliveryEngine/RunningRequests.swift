internal import Curl
internal import Linux
internal import SystemPackage

/// Requests in flight, each with what it is made for.
struct RunningRequests<Purpose> {
    private let multi: Multi
    private var purposes: [UInt64: Purpose] = [:]
    private var nextToken: UInt64 = 1

    init(_ multi: Multi) { self.multi = multi }

    var count: Int { purposes.count }

    /// Readable when a request may have ended; `nil` if none is in flight.
    var descriptor: FileDescriptor? { purposes.isEmpty ? nil : multi.descriptor }

    /// The time until there is something to do although the descriptor is not readable; `nil`: none is known.
    var pauseMicroseconds: Int64? {
        purposes.isEmpty ? nil : multi.dueMicroseconds.map { $0 - SystemClock.bootTimeMicroseconds() }
    }

    mutating func start(_ request: Outgoing, for purpose: Purpose) throws(CurlError) {
        try multi.start(request, token: nextToken)
        purposes[nextToken] = purpose
        nextToken += 1
    }

    /// The requests that have ended since the last call.
    mutating func takeEnded() throws(CurlError) -> [(purpose: Purpose, exchange: Exchange)] {
        guard !purposes.isEmpty else { return [] }
        return try multi.wait(milliseconds: 0).compactMap { token, exchange in
            purposes.removeValue(forKey: token).map { ($0, exchange) }
        }
    }
}
