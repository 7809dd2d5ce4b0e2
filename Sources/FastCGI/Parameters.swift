internal import Gateway
internal import HTTPTypes

/// What is wrong with a request's parameters, for the log.
struct ParameterError: Error, CustomStringConvertible { let description: String }

/// The parameters that make up a request (RFC 3875, section 4.1, and three of our own), gathered one by one.
///
/// nginx sets all but `HTTP_*`; those are the client's. They are a list: from nginx before 1.23 a repeated field comes as
/// a repeated parameter, from later ones as one with its values joined.
struct Parameters {
    private var method: [UInt8] = []
    private var target: [UInt8] = []
    private var mountPoint: [UInt8] = []
    private var remoteAddress: [UInt8] = []
    private var contentLength: [UInt8] = []
    private var requestID: [UInt8] = []
    private var requestTime: [UInt8] = []
    private var fields = FieldList()

    /// - Parameter entry: `NAME=value`.
    mutating func add(_ entry: [UInt8]) {
        guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { return }
        let name = entry[..<equals]
        let value = entry[(equals + 1)...]
        if name.starts(with: Self.fieldPrefix) {
            fields.append(name: FieldName(name.dropFirst(Self.fieldPrefix.count)), value: value)
            return
        }
        switch String(decoding: name, as: UTF8.self) {
        case "REQUEST_METHOD": method = Array(value)
        case "REQUEST_URI": target = Array(value)
        case "SCRIPT_NAME": mountPoint = Array(value)
        case "REMOTE_ADDR": remoteAddress = Array(value)
        case "CONTENT_LENGTH": contentLength = Array(value)
        case "REQUEST_ID": requestID = Array(value)
        case "REQUEST_TIME": requestTime = Array(value)
        default: break
        }
    }

    private static let fieldPrefix = Array("HTTP_".utf8)

    /// - Parameter body: what came on the standard input; `nil` where it was too long to keep.
    func request(body: [UInt8]?) throws(ParameterError) -> Request {
        guard let text = String(validating: method, as: UTF8.self), let method = HTTPRequest.Method(text) else {
            throw ParameterError(description: "REQUEST_METHOD is missing or no method")
        }
        guard target.first == UInt8(ascii: "/") || target == [UInt8(ascii: "*")] else {
            throw ParameterError(description: "REQUEST_URI is missing or no path")
        }
        let mount = percentDecoded(mountPoint[...])?.split(separator: "/").map(String.init) ?? []
        return Request(
            method: method, target: Target(raw: target[...], mountPoint: mount), fields: fields, body: try judge(body),
            remoteAddress: remoteAddress.isEmpty ? nil : String(validating: remoteAddress, as: UTF8.self),
            id: RequestID(time: requestTime[...], id: requestID[...]))
    }

    /// Compares the body with the length that was announced; where none was, the body is as long as it is.
    private func judge(_ body: [UInt8]?) throws(ParameterError) -> Request.Body {
        guard let body else { return .tooLarge }
        guard !contentLength.isEmpty else { return .whole(body) }
        guard let announced = Int(String(decoding: contentLength, as: UTF8.self)), announced >= 0 else {
            throw ParameterError(description: "CONTENT_LENGTH is no length")
        }
        return announced == body.count ? .whole(body) : .incomplete
    }
}

/// A field's name as it is usually written, `X-Trace-Id` for `X_TRACE_ID`: CGI has lost the letter case, and whether a
/// `_` was a `-`.
private struct FieldName: Collection {
    private let name: ArraySlice<UInt8>

    init(_ name: ArraySlice<UInt8>) { self.name = name }

    var startIndex: Int { name.startIndex }
    var endIndex: Int { name.endIndex }
    func index(after index: Int) -> Int { index + 1 }

    subscript(index: Int) -> UInt8 {
        let byte = name[index]
        if byte == UInt8(ascii: "_") { return UInt8(ascii: "-") }
        let isLetter = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        let isInitial = index == name.startIndex || name[index - 1] == UInt8(ascii: "_")
        return isLetter && !isInitial ? byte | 0x20 : byte
    }
}
