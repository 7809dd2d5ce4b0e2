internal import HTTP
internal import JSON

/// A custom header in a client's input.
struct HeaderInput: Equatable, Sendable {
    let name: String
    /// `nil` means the stored value of this header.
    let value: String?
}

/// The rules for a webhook's custom headers.
struct HeaderRules {
    static let count = 1...10
    static let maximumValueBytes = 4096
    static let maximumNameBytes = 128
    /// Shown to clients instead of each value.
    static let mask = "***"

    /// Headers that the sender sets, or that concern one connection only (RFC 9110, section 7.6.1); in lower case.
    private static let reserved: Set<String> = [
        "host", "content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect", "keep-alive",
        "proxy-connection", "proxy-authenticate", "proxy-authorization",
    ]
    private static let reservedPrefixes = ["webhook-", "x-3dverse-"]

    /// The names of the signature's headers, in lower case.
    private let signatureNames: Set<String>

    init(signatureHeaders: [String]) { signatureNames = Set(signatureHeaders.map(Self.folded)) }

    /// Reads the member, and reports what is wrong with it.
    func read(_ name: String, of object: inout InputObject) -> [HeaderInput]? {
        guard let value = object[name] else { return nil }
        guard case .object(let members) = value else {
            object.fault(name, "must be an object of header names and values", .badHeaders)
            return nil
        }
        guard Self.count.contains(members.count) else {
            let range = "\(Self.count.lowerBound) to \(Self.count.upperBound)"
            object.fault(name, "must have \(range) headers, but has \(members.count)", .badHeaders)
            return nil
        }
        var seen: Set<String> = []
        return members.map { member in
            let path = "\(name).\(shown(member.name))"
            if let reason = fault(ofName: member.name) {
                object.fault(path, reason, .badHeaders)
            } else if !seen.insert(member.name.lowercased()).inserted {
                object.fault(path, "duplicate header; letter case is ignored", .badHeaders)
            }
            guard let value = member.value.string else {
                object.fault(path, "must be a string", .badHeaders)
                return HeaderInput(name: member.name, value: nil)
            }
            if let reason = Self.fault(ofValue: value) { object.fault(path, reason, .badHeaders) }
            return HeaderInput(name: member.name, value: value == Self.mask ? nil : value)
        }
    }

    private func fault(ofName name: String) -> String? {
        guard !name.isEmpty, name.utf8.count <= Self.maximumNameBytes, name.utf8.allSatisfy(\.isTokenByte) else {
            return "must be a header name of at most \(Self.maximumNameBytes) characters: letters, digits and "
                + "!#$%&'*+-.^_`|~"
        }
        let folded = Self.folded(name)
        let isReserved =
            Self.reserved.contains(folded) || signatureNames.contains(folded)
            || Self.reservedPrefixes.contains { folded.hasPrefix($0) }
        return isReserved ? "this header is reserved" : nil
    }

    /// Whether a signature may be in the header of that name: the sender must not use it for anything else.
    static func mayHaveSignature(_ name: String) -> Bool {
        let folded = Self.folded(name)
        return !reserved.contains(folded) && !["content-type", "content-encoding", "user-agent"].contains(folded)
            && !folded.hasPrefix("webhook-")
    }

    /// Folds names that many receivers cannot tell apart: CGI treats `_` and `-` as the same.
    private static func folded(_ name: String) -> String {
        String(name.lowercased().map { $0 == "_" ? "-" : $0 })
    }

    /// RFC 9110, section 5.5.
    private static func fault(ofValue value: String) -> String? {
        let bytes = value.utf8
        guard let first = bytes.first, let last = bytes.last else { return "the value must not be empty" }
        if bytes.count > maximumValueBytes { return "the value must have at most \(maximumValueBytes) bytes" }
        if bytes.contains(where: \.isFieldControl) {
            return "the value must not contain control characters"
        }
        let blanks: [UInt8] = [0x20, 0x09]
        return blanks.contains(first) || blanks.contains(last) ? "the value must not begin or end with a blank" : nil
    }
}
