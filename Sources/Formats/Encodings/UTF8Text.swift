extension String {
    /// The text whose UTF-8 these bytes are; `nil` if they are not UTF-8.
    ///
    /// `String(validating:as:)` looks up the types of its parameters at run time, which costs more than to look at the bytes
    /// of a short text.
    package init?(utf8 bytes: Span<UInt8>) {
        do throws(UTF8.ValidationError) { self.init(copying: try UTF8Span(validating: bytes)) } catch { return nil }
    }
}
