/// Finds where a request ends in a stream of FastCGI records (FastCGI specification, sections 3 and 5).
///
/// libfcgi is given only requests that have arrived whole and in order: it blocks until it has read what it needs, and
/// its own answer to a long management record overruns a buffer of 64 bytes (fcgiapp.c, ProcessManagementRecord).
struct RecordScanner {
    enum Event: Equatable {
        /// The request is complete. The loop answers only requests for the role of responder.
        case request(RequestOutline)
        /// A whole record that concerns the connection, not a request.
        case management(type: UInt8, content: [UInt8])
        /// The web server has aborted the request.
        case abort(requestID: UInt16)
        /// Not FastCGI, or records in a wrong order, or too many parameters. The connection cannot be used any more.
        case broken(String)
    }

    /// The most bytes that a request's parameters may have in all. nginx, as it is configured here, sends about 40 kB at
    /// most.
    static let maximumParameterBytes = 256 * 1024

    private enum Phase { case begin, parameters, input }

    private var phase = Phase.begin
    private var outline = RequestOutline()
    private var header: [UInt8] = []
    private var contentLeft = 0
    private var paddingLeft = 0
    /// The content of a begin or management record. That of other records is not collected.
    private var content: [UInt8] = []
    private var parameterBytes = 0
    private var pairs = PairFollower()

    /// Looks at the next bytes of the stream.
    /// - Returns: how many bytes were consumed, and the event that the last of them completes; `nil` if all bytes were
    ///   consumed and more are needed.
    mutating func scan(_ bytes: ArraySlice<UInt8>) -> (consumed: Int, event: Event?) {
        var index = bytes.startIndex
        while true {
            if header.count < 8 {
                guard index < bytes.endIndex else { return (bytes.count, nil) }
                header.append(bytes[index])
                index += 1
                guard header.count == 8 else { continue }
                contentLeft = Int(header[4]) << 8 | Int(header[5])
                paddingLeft = Int(header[6])
                content = []
                if let fault = beginRecord() { return (index - bytes.startIndex, .broken(fault)) }
            }
            let available = bytes.endIndex - index
            let taken = min(contentLeft, available)
            if keepsContent {
                content += bytes[index..<index + taken]
            } else if type == RecordType.parameters {
                pairs.take(bytes[index..<index + taken])
            }
            contentLeft -= taken
            let skipped = min(paddingLeft, available - taken)
            paddingLeft -= skipped
            index += taken + skipped
            guard contentLeft == 0, paddingLeft == 0 else { return (bytes.count, nil) }
            let event = endRecord()
            header.removeAll(keepingCapacity: true)
            if let event { return (index - bytes.startIndex, event) }
        }
    }

    /// How many bytes the request's body has, by the record headers so far.
    var bodyBytes: Int { outline.bodyBytes }

    private var type: UInt8 { header[1] }
    private var requestID: UInt16 { UInt16(header[2]) << 8 | UInt16(header[3]) }
    private var keepsContent: Bool { type == RecordType.beginRequest || requestID == 0 }

    /// Checks a record's header. Returns what is wrong with it, or `nil`.
    private mutating func beginRecord() -> String? {
        guard header[0] == 1 else { return "it sent a FastCGI record of version \(header[0])" }
        if requestID == 0 {
            return phase == .begin ? nil : "it sent a FastCGI management record within a request"
        }
        switch (phase, type) {
        case (.begin, RecordType.beginRequest):
            guard contentLeft == 8 else { return "it sent a FastCGI begin record of \(contentLeft) bytes" }
            outline = RequestOutline()
            outline.id = requestID
            parameterBytes = 0
            pairs = PairFollower()
        case (_, RecordType.abortRequest):
            break
        case (.parameters, RecordType.parameters) where requestID == outline.id:
            parameterBytes += contentLeft
            guard parameterBytes <= Self.maximumParameterBytes else { return "it sent too many FastCGI parameters" }
        case (.input, RecordType.standardInput) where requestID == outline.id:
            outline.bodyBytes += contentLeft
        default:
            return "it sent a FastCGI record of type \(type) out of order"
        }
        outline.endsPadded = paddingLeft > 0
        return nil
    }

    /// Handles a record once all of its content has arrived.
    private mutating func endRecord() -> Event? {
        let length = Int(header[4]) << 8 | Int(header[5])
        if requestID == 0 { return .management(type: type, content: content) }
        switch type {
        case RecordType.beginRequest:
            outline.role = UInt16(content[0]) << 8 | UInt16(content[1])
            outline.keepsConnection = content[2] & 1 != 0
            phase = .parameters
        case RecordType.abortRequest:
            phase = .begin
            return .abort(requestID: requestID)
        case RecordType.parameters where length == 0:
            guard pairs.isWhole else { return .broken("it sent incomplete FastCGI parameters") }
            phase = .input
        case RecordType.standardInput where length == 0:
            phase = .begin
            return .request(outline)
        default:
            break
        }
        return nil
    }
}

/// Reads a list of name-value pairs (section 3.4) piece by piece, to find out whether its last pair is whole. If it is
/// not, libfcgi closes the descriptor; if libfcgi cannot allocate as much as a pair announces, it ends the process
/// (fcgiapp.c, ReadParams).
struct PairFollower {
    /// The length of a pair's name, until the length of its value is known.
    private var nameLength: Int?
    private var length = 0
    private var lengthBytesLeft = 0
    private var contentLeft = 0

    var isWhole: Bool { contentLeft == 0 && lengthBytesLeft == 0 && nameLength == nil }

    mutating func take(_ bytes: ArraySlice<UInt8>) {
        var index = bytes.startIndex
        while index < bytes.endIndex {
            guard contentLeft == 0 else {
                let taken = min(contentLeft, bytes.endIndex - index)
                contentLeft -= taken
                index += taken
                continue
            }
            takeLength(bytes[index])
            index += 1
        }
    }

    private mutating func takeLength(_ byte: UInt8) {
        if lengthBytesLeft > 0 {
            length = length << 8 | Int(byte)
            lengthBytesLeft -= 1
        } else if byte & 0x80 != 0 {
            length = Int(byte & 0x7f)
            lengthBytesLeft = 3
        } else {
            length = Int(byte)
        }
        guard lengthBytesLeft == 0 else { return }
        if let nameLength {
            contentLeft = nameLength + length
            self.nameLength = nil
        } else {
            nameLength = length
        }
    }
}

/// What the FastCGI records say about a request.
struct RequestOutline: Equatable {
    var id: UInt16 = 0
    var role: UInt16 = 0
    /// Whether the web server wants to use the connection again.
    var keepsConnection = false
    var bodyBytes = 0
    /// Whether its last record has padding, which libfcgi would leave unread.
    var endsPadded = false

    static let responderRole: UInt16 = 1
}

/// Record types (FastCGI specification, section 8).
enum RecordType {
    static let beginRequest: UInt8 = 1
    static let abortRequest: UInt8 = 2
    static let endRequest: UInt8 = 3
    static let parameters: UInt8 = 4
    static let standardInput: UInt8 = 5
    static let standardOutput: UInt8 = 6
    static let getValues: UInt8 = 9
    static let getValuesResult: UInt8 = 10
    static let unknownType: UInt8 = 11
}
