package import Delivery
internal import JSON

/// URLs to which notifications may be sent on.
package struct ForwardURLs: Equatable, Sendable {
    package let urls: [String]
    /// The member of a client's request that has them.
    private let member: String

    package init(_ urls: [String], member: String) {
        self.urls = urls
        self.member = member
    }

    /// Reads a list of texts. `null` stands for an empty one.
    init(_ json: JSON, member: String) throws(ConfigurationError) {
        let texts = json == .null ? [] : json.array?.map(\.string)
        guard let texts, texts.count <= ForwardLimits.urls, !texts.contains(nil) else {
            throw ConfigurationError(
                reason: "The member \"\(member)\" must be a list of at most \(ForwardLimits.urls) URLs.")
        }
        self.init(texts.compactMap { $0 }, member: member)
    }

    /// The first URL that is too long, repeated, or can never be called, with the reason; `nil` if there is none.
    /// - Parameter known: URLs that were accepted before, whatever the rules say now.
    package func fault(_ rules: any URLRules, except known: Set<String> = []) -> String? {
        guard urls.count <= ForwardLimits.urls else {
            return "\(member): there are \(urls.count) URLs; at most \(ForwardLimits.urls) are allowed"
        }
        var seen: Set<String> = []
        for (index, url) in urls.enumerated() {
            var fault = known.contains(url) ? nil : Self.fault(of: url, rules)
            if !seen.insert(url).inserted { fault = "the URL is in the list already" }
            if let fault { return "\(member)[\(index)]: \(fault)" }
        }
        return nil
    }

    package static func fault(of url: String, _ rules: any URLRules) -> String? {
        guard url.utf8.count <= ForwardLimits.urlBytes else {
            return "the URL has \(url.utf8.count) bytes; at most \(ForwardLimits.urlBytes) are allowed"
        }
        return rules.fault(url)
    }
}
