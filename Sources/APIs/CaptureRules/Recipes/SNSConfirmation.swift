internal import Delivery
internal import HTTP
internal import JSON

/// The URL that confirms a subscription of Amazon SNS when it is called with GET, once.
package struct SNSConfirmation: Hashable, Sendable {
    package let url: String

    /// The URL in a message of the type `SubscriptionConfirmation`; `nil` if it is not a URL of SNS. Anyone can send such a
    /// message, so nothing else may be called: only `https` at `sns.<region>.amazonaws.com`, at its usual port.
    package init?(_ text: String) {
        guard let target = try? TargetURL(text, httpsOnly: true), target.port == 443 else { return nil }
        let labels = target.host.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.count == 4, labels[0] == "sns", labels[2] == "amazonaws", labels[3] == "com",
            !labels[1].isEmpty,
            labels[1].utf8.allSatisfy({
                $0 == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
            })
        else { return nil }
        url = text
    }

    init?(_ request: ReceivedRequest) {
        guard let url = request.json?["SubscribeURL"]?.string else { return nil }
        self.init(url)
    }
}
