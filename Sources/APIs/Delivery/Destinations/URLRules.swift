package import HTTP

/// Says whether something may be delivered to a URL.
package protocol URLRules {
    /// What is wrong with it, as the rest of a sentence; `nil` where nothing is.
    func fault(_ url: String) -> String?
}

/// Says as well whether a URL leads to what may be called.
package protocol URLChecking: URLRules {
    /// Why what its host stands for may not be called, as the rest of a sentence; `nil` where it may, or is not known to be
    /// anywhere. A URL that has a `fault` may be one for the receiver alone to tell.
    /// - Parameter context: of the request that waits for it.
    func refusal(of url: String, _ context: any RequestContext) async -> LookupResult<String?>
}
