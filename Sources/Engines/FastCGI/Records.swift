/// The records that a responder sends (FastCGI specification, section 3.3).
///
/// They are made here because libfcgi blocks until everything is written, and the loop must never wait for the web
/// server to read. An answer that the socket takes whole reaches the web server even if this process dies a moment
/// later.
enum Records {
    /// The most content a record can have that needs no padding to a multiple of eight.
    static let maximumContent = 65_528

    /// Appends the header of a record without padding.
    static func appendHeader(type: UInt8, requestID: UInt16, contentCount: Int, to bytes: inout [UInt8]) {
        bytes.append(1)
        bytes.append(type)
        bytes.append(UInt8(requestID >> 8))
        bytes.append(UInt8(requestID & 0xff))
        bytes.append(UInt8(contentCount >> 8))
        bytes.append(UInt8(contentCount & 0xff))
        bytes.append(0)
        bytes.append(0)
    }

    private static func header(type: UInt8, requestID: UInt16, contentCount: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        appendHeader(type: type, requestID: requestID, contentCount: contentCount, to: &bytes)
        return bytes
    }

    /// Ends a request (section 5.5).
    /// - Parameter protocolStatus: 0 if the request was answered.
    static func end(requestID: UInt16, protocolStatus: UInt8 = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        appendEnd(requestID: requestID, protocolStatus: protocolStatus, to: &bytes)
        return bytes
    }

    static func appendEnd(requestID: UInt16, protocolStatus: UInt8 = 0, to bytes: inout [UInt8]) {
        appendHeader(type: RecordType.endRequest, requestID: requestID, contentCount: 8, to: &bytes)
        for position in 0..<8 { bytes.append(position == 4 ? protocolStatus : 0) }
    }

    /// Section 5.5, FCGI_UNKNOWN_ROLE.
    static let unknownRole: UInt8 = 3

    /// Appends what `content` appends as a record of the standard output.
    /// - Parameters:
    ///   - content: appends the record's content; if that is too long for one record, it is split into several.
    static func appendOutput(requestID: UInt16, to bytes: inout [UInt8], _ content: (inout [UInt8]) -> Void) {
        let start = bytes.count
        appendHeader(type: RecordType.standardOutput, requestID: requestID, contentCount: 0, to: &bytes)
        content(&bytes)
        let count = bytes.count - start - 8
        guard count <= maximumContent else {
            let content = Array(bytes[(start + 8)...])
            bytes.removeSubrange(start...)
            return appendOutput(content[...], requestID: requestID, to: &bytes)
        }
        bytes[start + 4] = UInt8(count >> 8)
        bytes[start + 5] = UInt8(count & 0xff)
        bytes[start + 6] = UInt8(-count & 7)
        for _ in 0..<(-count & 7) { bytes.append(0) }
    }

    /// Appends content of the standard output, as records.
    static func appendOutput(_ content: ArraySlice<UInt8>, requestID: UInt16, to bytes: inout [UInt8]) {
        var rest = content
        while !rest.isEmpty {
            let part = rest.prefix(maximumContent)
            appendOutput(requestID: requestID, to: &bytes) { $0 += part }
            rest = rest.dropFirst(part.count)
        }
    }

    /// The answer to a management record (section 4): the requested values that this program knows, or that the record's
    /// type is unknown.
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

    /// The names in a list of name-value pairs (section 3.4). A pair that is not whole ends the list.
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
