extension String {
    /// The text if it is no longer than `count` Unicode scalars, else its beginning and an ellipsis.
    package func shortened(to count: Int) -> String {
        guard unicodeScalars.count > count else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.prefix(count))) + "…"
    }

    /// As many of the first characters (Unicode scalars) as fit into so many bytes of UTF-8.
    package func prefix(utf8Bytes limit: Int) -> String {
        var end = utf8.index(startIndex, offsetBy: limit, limitedBy: endIndex) ?? endIndex
        while end > startIndex, String.Index(end, within: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
