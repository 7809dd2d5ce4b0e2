import Testing

@testable import Events

@Suite struct SubscriptionTargetTests {
    @Test(
        arguments: [
            ("http://a.test/", "http://a.test/", nil), ("http://a.test/#f", "http://a.test/", nil),
            ("http://a.test#f?x", "http://a.test", nil), ("HTTP://a.test/", "HTTP://a.test/", nil),
            ("http://a.test/?q=a b c", "http://a.test/?q=a%20b%20c", nil),
            ("http://u:p@a.test/x", "http://a.test/x", "Basic dTpw"),
            ("http://u@a.test/", "http://a.test/", "Basic dTo="), ("http://:@a.test/", "http://a.test/", "Basic Og=="),
            ("http://u:p:q@a.test/", "http://a.test/", "Basic dTpwOnE="),
            ("http://u%3A:%C3%A9@a.test/", "http://a.test/", "Basic dTo6w6k="),
            // The last @ of the authority ends the user.
            ("http://u:p@q@a.test/", "http://a.test/", "Basic dTpwQHE="),
            ("http://a.test/x@y", "http://a.test/x@y", nil), ("http://a.test?u:p@b", "http://a.test?u:p@b", nil),
            ("http://a.test/#u:p@b.test", "http://a.test/", nil),
        ])
    func `the URL that is called has no fragment and no credentials`(text: String, url: String, header: String?) throws
    {
        let target = try SubscriptionTarget(text, WebURLs())
        #expect(target.url == url && target.authorization == header)
    }

    @Test(arguments: ["", "ftp://a.test/", "#http://a.test/", " http://a.test/"])
    func `a URL that may not be called is refused`(text: String) {
        #expect(throws: SubscriptionTarget.Fault.self) { try SubscriptionTarget(text, WebURLs()) }
    }

    @Test(arguments: ["http://%ff:p@a.test/", "http://u:%ff@a.test/", "http://u:%4@a.test/"])
    func `a user name or password that is not UTF-8 is refused`(text: String) {
        #expect(throws: SubscriptionTarget.Fault.self) { try SubscriptionTarget(text, WebURLs()) }
    }
}
