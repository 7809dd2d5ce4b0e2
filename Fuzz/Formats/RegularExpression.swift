@testable import JSONPath

/// A pattern, and a text after a byte of value 0: matching the whole text is the same as searching between anchors, and
/// where the whole matches, a part does.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let parts = parts(unsafe input(start, count), 2)
    let pattern = String(decoding: parts[0], as: UTF8.self)
    let text = Array(String(decoding: parts[1], as: UTF8.self).utf8)
    let whole = matches(pattern, text, isSearch: false)
    if whole == true { require(matches(pattern, text, isSearch: true) != false, "the whole matches, but no part") }
    if let whole, let anchored = matches("^(\(pattern))$", text, isSearch: true) {
        require(whole == anchored, "anchors find something else")
    }
    return 0
}

/// `nil` where the pattern is none, or costs too much.
private func matches(_ pattern: String, _ text: [UInt8], isSearch: Bool) -> Bool? {
    guard let expression = try? RegularExpression(pattern, isSearch: isSearch) else { return nil }
    require(expression.size <= RegularExpression.sizeLimit + 1, "larger than allowed")
    var matcher = RegularExpressionMatcher()
    var budget = Budget(steps: 200_000)
    return try? matcher.matches(expression, text[...], &budget)
}
