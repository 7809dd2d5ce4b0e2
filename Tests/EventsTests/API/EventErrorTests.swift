import HTTP
import HTTPTypes
import JSON
import Testing
import Values

@testable import Events

@Suite struct EventErrorTests {
    @Test(arguments: [
        (EventError.forbidden, "403 Forbidden", "Forbidden"),
        (EventError(.badRequest, "é \"x\"\n"), "400 Bad Request", "é \"x\"\n"),
        (EventError(.methodNotAllowed, "m"), "405 Method Not Allowed", "m"),
    ])
    func `an error is an object of four members, with an empty traceback`(
        error: EventError, status: String, message: String
    ) throws {
        let response = error.response(version: "1.2")
        #expect(response.head.status == error.status)
        #expect(response.head.headerFields[.contentType] == "application/json")
        #expect(
            try JSON(parsing: response.body)
                == .object([
                    .init("status", .string(status)), .init("message", .string(message)),
                    .init("traceback", .string("")), .init("version", .string("1.2")),
                ]))
    }

    @Test(arguments: [(StoreFailure.full, 507), (.unavailable(""), 503), (.lost(""), 503)])
    func `a failure of the store has its status, and Retry-After`(failure: StoreFailure, status: Int) {
        let response = eventResponse(to: failure, at: ["receive"], version: "1")
        #expect(response.head.status.code == status)
        #expect(response.head.headerFields[.retryAfter] == "5")
        #expect(response.head.headerFields[.allow] == "OPTIONS, POST")
    }
}
