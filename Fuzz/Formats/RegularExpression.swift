@testable import JSONPath

/// The input is a pattern, and a text after a zero byte. Matching the whole text is the same as searching between
/// anchors, and if the whole text matches, a search finds it.
func fuzzRegularExpression(_ bytes: [UInt8]) {
    let parts = parts(bytes, 2)
    let pattern = String(decoding: parts[0], as: UTF8.self)
    let text = Array(String(decoding: parts[1], as: UTF8.self).utf8)
    let whole = matches(pattern, text, isSearch: false)
    if whole == true {
        require(matches(pattern, text, isSearch: true) != false, "the whole text matches, but the search finds nothing")
    }
    if let whole, let anchored = matches("^(\(pattern))$", text, isSearch: true) {
        require(whole == anchored, "anchors find something else")
    }
}

/// `nil` if the pattern is invalid, or costs too much.
private func matches(_ pattern: String, _ text: [UInt8], isSearch: Bool) -> Bool? {
    guard let expression = try? RegularExpression(pattern, isSearch: isSearch) else { return nil }
    require(expression.size <= RegularExpression.sizeLimit + 1, "larger than allowed")
    var matcher = RegularExpressionMatcher()
    var budget = Budget(steps: 200_000)
    return try? matcher.matches(expression, text[...], &budget)
}
