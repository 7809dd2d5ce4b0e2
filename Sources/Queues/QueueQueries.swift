internal import Gateway

/// What a client asks of a read.
struct ReadQuery: Equatable {
    var reading = Reading()
    var waitMilliseconds = 0

    init(_ target: Target) throws(QueryError) {
        reading.limit = try target.wholeNumber("limit", in: 1...1_000_000) ?? .max
        waitMilliseconds = try target.waitMilliseconds()
        switch target.queryValue("ack") {
        case nil, "auto": break
        case "manual": reading.isManual = true
        default: throw QueryError(reason: "The query parameter \"ack\" takes auto or manual.")
        }
    }
}

/// Which clients are listed.
struct Page: Equatable {
    var after: [UInt8] = []
    var limit = 1000

    init(_ target: Target) throws(QueryError) {
        limit = try target.wholeNumber("limit", in: 1...1000) ?? limit
        if let text = target.queryValue("after") {
            guard let key = bytes(hexadecimal: text) else {
                throw QueryError(reason: "The query parameter \"after\" takes what \"next\" was.")
            }
            after = key
        }
    }
}

/// The bytes that an even number of hexadecimal digits stands for.
private func bytes(hexadecimal text: String) -> [UInt8]? {
    let digits = text.utf8.map(hexadecimalDigit)
    guard digits.count.isMultiple(of: 2), !digits.contains(nil) else { return nil }
    return stride(from: 0, to: digits.count, by: 2).map { (digits[$0] ?? 0) << 4 | (digits[$0 + 1] ?? 0) }
}
