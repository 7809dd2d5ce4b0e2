package import HTTP

/// Decides whether a URL may be a target of deliveries.
package protocol URLRules {
    /// The error in the URL, as the rest of a sentence; `nil` if it has none.
    func fault(_ url: String) -> String?
}

/// Accepts every URL that can be parsed, whatever an installation allows.
package struct ParsedURLs: URLRules {
    package init() {}

    package func fault(_ url: String) -> String? {
        do throws(TargetURL.Problem) { _ = try TargetURL(url) } catch { return error.description }
        return nil
    }
}

/// Also decides whether a URL leads to an address that may be called.
package protocol URLChecking: URLRules {
    /// Why the addresses of the URL's host may not be called, as the rest of a sentence; `nil` if they may, or if none is
    /// known. A URL that cannot be parsed is not refused here: `fault` reports it.
    /// - Parameter context: the context of the request that waits for the lookup.
    func refusal(of url: String, _ context: any RequestContext) async -> LookupResult<String?>
}
