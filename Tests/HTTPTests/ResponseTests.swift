import HTTPTypes
import Testing
import Values

@testable import HTTP

@Suite struct ResponseTests {
    @Test(arguments: [(.full, 507), (.unavailable("secret"), 503)] as [(StoreFailure, Int)])
    func `a failed store is told apart from a full one, and not explained`(failure: StoreFailure, code: Int) {
        let response = Response.failure(failure)
        #expect(response.head.status.code == code)
        #expect(response.head.headerFields[.retryAfter] == "5")
        #expect(!String(decoding: response.body, as: UTF8.self).contains("secret"))
    }

    @Test func `text and JSON carry their types, and JSON is not kept`() {
        #expect(Response.text(.ok, "x").head.headerFields[.contentType] == "text/plain; charset=utf-8")
        #expect(Response.json(.ok, []).head.headerFields[.cacheControl] == "no-store")
        #expect(Response.methodNotAllowed(allowed: "GET").head.headerFields[.allow] == "GET")
        #expect(Response.notFound.body == Array("404: Not Found".utf8))
    }
}
