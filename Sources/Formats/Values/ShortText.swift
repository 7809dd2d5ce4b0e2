extension String {
    /// The text if it is no longer than `count` Unicode scalars, else its beginning and an ellipsis.
    package func shortened(to count: Int) -> String {
        guard unicodeScalars.count > count else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.prefix(count))) + "…"
    }
}
