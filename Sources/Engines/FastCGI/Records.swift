/// The records that a responder sends (FastCGI specification, section 3.3).
///
/// They are made here and not by libfcgi, which can only write until all is written: an answer must never wait for the
/// server to read it, and one that the socket takes whole reaches the server even if this process dies a moment later.
enum Records {
    /// The most content a record can have that needs no padding to a multiple of eight.
    static let maximumContent = 65_528

    static func header(type: UInt8, requestID: UInt16, contentCount: Int, padding: Int = 0) -> [UInt8] {
        [
            1, type, UInt8(requestID >> 8), UInt8(requestID & 0xff), UInt8(contentCount >> 8),
            UInt8(contentCount & 0xff),
            UInt8(padding), 0,
        ]
    }

    /// Ends a request (section 5.5).
    /// - Parameter protocolStatus: 0 where it was answered.
    static func end(requestID: UInt16, protocolStatus: UInt8 = 0) -> [UInt8] {
        header(type: RecordType.endRequest, requestID: requestID, contentCount: 8) + [
            0, 0, 0, 0, protocolStatus, 0, 0, 0,
        ]
    }

    /// Section 5.5, FCGI_UNKNOWN_ROLE.
    static let unknownRole: UInt8 = 3

    /// Appends content of the standard output, as records.
    static func appendOutput(_ content: ArraySlice<UInt8>, requestID: UInt16, to bytes: inout [UInt8]) {
        var rest = content
        while !rest.isEmpty {
            let part = rest.prefix(maximumContent)
            let padding = -part.count & 7
            bytes += header(
                type: RecordType.standardOutput, requestID: requestID, contentCount: part.count, padding: padding)
            bytes += part
            for _ in 0..<padding { bytes.append(0) }
            rest = rest.dropFirst(part.count)
        }
    }

    /// Answers a management record (section 4): which values the server asked for and this program has, or that the type
    /// is not known.
    static func answer(toManagement type: UInt8, _ content: [UInt8]) -> [UInt8] {
        guard type == RecordType.getValues else {
            return header(type: RecordType.unknownType, requestID: 0, contentCount: 8) + [type, 0, 0, 0, 0, 0, 0, 0]
        }
        let values = ["FCGI_MAX_CONNS": "10000", "FCGI_MAX_REQS": "10000", "FCGI_MPXS_CONNS": "0"]
        var result: [UInt8] = []
        for name in Set(names(inPairs: content)) {
            guard let value = values[name] else { continue }
            result += [UInt8(name.utf8.count), UInt8(value.utf8.count)] + name.utf8 + value.utf8
        }
        return header(type: RecordType.getValuesResult, requestID: 0, contentCount: result.count) + result
    }

    /// The names in a list of name-value pairs (section 3.4); the list ends where it breaks off.
    static func names(inPairs content: [UInt8]) -> [String] {
        var names: [String] = []
        var rest = content[...]
        func length() -> Int? {
            guard let first = rest.popFirst() else { return nil }
            guard first & 0x80 != 0 else { return Int(first) }
            guard rest.count >= 3 else { return nil }
            defer { rest = rest.dropFirst(3) }
            return rest.prefix(3).reduce(Int(first & 0x7f)) { $0 << 8 | Int($1) }
        }
        while let nameCount = length(), let valueCount = length(), rest.count >= nameCount + valueCount {
            names.append(String(decoding: rest.prefix(nameCount), as: UTF8.self))
            rest = rest.dropFirst(nameCount + valueCount)
        }
        return names
    }
}
