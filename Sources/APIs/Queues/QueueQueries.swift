internal import Encodings
internal import HTTP

/// The query parameters of a read.
struct ReadQuery: Equatable {
    var reading = Reading()
    var waitMilliseconds = 0

    init(_ target: Target) throws(QueryError) {
        reading.limit = try target.wholeNumber("limit", in: 1...1_000_000) ?? .max
        waitMilliseconds = try target.waitMilliseconds()
        switch target.queryValue("ack") {
        case nil, "auto": break
        case "manual": reading.isManual = true
        default: throw QueryError(reason: "The query parameter \"ack\" must be auto or manual.")
        }
    }
}

/// The query parameters of a list of clients.
struct Page: Equatable {
    var after: [UInt8] = []
    var limit = 1000

    init(_ target: Target) throws(QueryError) {
        limit = try target.wholeNumber("limit", in: 1...1000) ?? limit
        if let text = target.queryValue("after") {
            guard let key = bytes(hexadecimal: text) else {
                throw QueryError(reason: "The query parameter \"after\" must be the \"next\" of a previous response.")
            }
            after = key
        }
    }
}

/// The query parameters of a peek at a queue.
struct PeekQuery: Equatable {
    var limit = 20
    /// Only messages with lower ids are wanted.
    var before: UInt64?

    init(_ target: Target) throws(QueryError) {
        limit = try target.wholeNumber("limit", in: 1...100) ?? limit
        if let text = target.queryValue("before") {
            guard let id = UInt64(text), id > 0 else {
                throw QueryError(reason: "The query parameter \"before\" must be the id of a message.")
            }
            before = id
        }
    }
}
