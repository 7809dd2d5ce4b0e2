extension String {
    /// The text, or so many of its first characters and an ellipsis.
    package func shortened(to count: Int) -> String {
        guard unicodeScalars.count > count else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.prefix(count))) + "…"
    }
}
