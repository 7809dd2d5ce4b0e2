internal import Delivery
internal import Encodings
internal import HTTP

/// The address of a subscription as it is called: what clients may write in a URL beyond what is sent taken away.
struct SubscriptionTarget: Equatable {
    /// Without user name, password and fragment.
    let url: String
    /// The value of `Authorization` that a user name and password in the URL stand for; `nil` where there are none.
    let authorization: String?

    /// - Parameter urls: which URLs may be called.
    /// - Throws: what is wrong, as the rest of a sentence.
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
            throw Fault(reason: "the user name and password before the @ are no text")
        }
        return Authorization.basic(user: user, password: password)
    }
}
