/// Says whether something may be delivered to a URL.
package protocol URLRules {
    /// What is wrong with it, as the rest of a sentence; `nil` where nothing is.
    func fault(_ url: String) -> String?
}
