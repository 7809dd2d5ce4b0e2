import HTTPTypes
import Testing
import Values

@testable import HTTP

@Suite struct ResponseTests {
    @Test(arguments: [(.full, 507), (.unavailable("secret"), 503)] as [(StoreFailure, Int)])
    func `a full store gives 507 and a failed one 503, without the reason`(failure: StoreFailure, code: Int) {
        let response = Response.failure(failure)
        #expect(response.head.status.code == code)
        #expect(response.head.headerFields[.retryAfter] == "5")
        #expect(!String(decoding: response.body, as: UTF8.self).contains("secret"))
    }

    @Test func `ready-made responses have their header fields and bodies`() {
        #expect(Response.text(.ok, "x").head.headerFields[.contentType] == "text/plain; charset=utf-8")
        #expect(Response.json(.ok, []).head.headerFields[.cacheControl] == "no-store")
        #expect(Response.methodNotAllowed(allowed: "GET").head.headerFields[.allow] == "GET")
        #expect(Response.notFound.body == Array("404: Not Found".utf8))
    }
}
