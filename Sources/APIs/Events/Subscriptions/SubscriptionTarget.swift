internal import Delivery
internal import Encodings
internal import HTTP

/// The target of a subscription as it is called: the client's URL without the parts that are not sent.
struct SubscriptionTarget: Equatable {
    /// Without user name, password and fragment.
    let url: String
    /// The value of `Authorization` from the user name and password in the URL; `nil` if it has none.
    let authorization: String?

    /// - Parameter urls: decides which URLs may be called.
    /// - Throws: the error, as the rest of a sentence.
    init(_ text: String, _ urls: any URLRules) throws(Fault) {
        var rest = text.prefix { $0 != "#" }
        var credentials: Substring?
        if let slashes = rest.firstRange(of: "://") {
            let authority = rest[slashes.upperBound...].prefix { !"/?".contains($0) }
            if let at = authority.lastIndex(of: "@") {
                credentials = authority[..<at]
                rest.removeSubrange(slashes.upperBound...at)
            }
        }
        url = String(rest.replacing(" ", with: "%20"))
        authorization = try credentials.map { (text) throws(Fault) in try Self.basic(text) }
        if let reason = urls.fault(url) { throw Fault(reason: reason) }
    }

    struct Fault: Error { let reason: String }

    /// RFC 7617, section 2, in UTF-8.
    private static func basic(_ credentials: Substring) throws(Fault) -> String {
        let parts = credentials.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            .map { percentDecoded(Array($0.utf8)[...]) }
        guard let user = parts[0], let password = parts.count > 1 ? parts[1] : "" else {
            throw Fault(reason: "the user name or password before the @ is not UTF-8")
        }
        return Authorization.basic(user: user, password: password)
    }
}
