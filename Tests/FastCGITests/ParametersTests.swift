import HTTP
import HTTPTypes
import Testing

@testable import FastCGI

@Suite struct ParametersTests {
    private static let plain = ["REQUEST_METHOD=POST", "REQUEST_URI=/api/a%20b?c=d", "SCRIPT_NAME=/api"]

    private func request(_ entries: [String], body: [UInt8]? = []) throws(ParameterError) -> Request {
        var parameters = Parameters()
        for entry in entries { unsafe parameters.add(Array(entry.utf8).span.bytes) }
        return try parameters.request(body: body)
    }

    @Test func `parameters become a request`() throws {
        let more = ["REMOTE_ADDR=::1", "REQUEST_ID=0000000000000000000000000000000f", "REQUEST_TIME=1.002", "OTHER=x"]
        let found = try request(Self.plain + more, body: [1])
        #expect(found.method == .post)
        #expect(found.target.segments == ["a b"])
        #expect(found.target.queryValue("c") == "d")
        #expect(found.remoteAddress == "::1")
        #expect(found.id == RequestID(milliseconds: 1002, high: 0, low: 15))
        #expect(found.body == .whole([1]))
        #expect(found.fields.count == 0)
    }

    @Test func `an empty parameter is treated as missing`() throws {
        let found = try request(Self.plain + ["REMOTE_ADDR=", "REQUEST_ID=", "REQUEST_TIME=", "CONTENT_LENGTH="])
        #expect(found.remoteAddress == nil && found.id == nil)
        #expect(found.body == .whole([]))
    }

    @Test(
        arguments: [
            ("HOST", "Host"), ("X_TRACE_ID", "X-Trace-Id"), ("CONTENT_TYPE", "Content-Type"), ("X__Y", "X--Y"),
            ("X.Y1Z", "X.y1z"),
            ("_A", "-A"), ("ÉÀ", "ÉÀ"),
        ])
    func `a field name gets its usual letter case`(parameter: String, name: String) throws {
        let found = try request(Self.plain + ["HTTP_\(parameter)=a=b"])
        #expect(found.fields.name(at: 0).elementsEqual(name.utf8))
        #expect(found.fields.value(at: 0).elementsEqual("a=b".utf8))
    }

    @Test func `repeated fields stay separate and in order, and no field is taken as a parameter`() throws {
        let found = try request(
            Self.plain + ["HTTP_A=1", "HTTP_B=2", "HTTP_A=3", "HTTP_REMOTE_ADDR=9.9.9.9", "HTTP_REQUEST_ID=x"])
        let values = (0..<found.fields.count).map { String(decoding: found.fields.value(at: $0), as: UTF8.self) }
        #expect(values == ["1", "2", "3", "9.9.9.9", "x"])
        #expect(found.remoteAddress == nil && found.id == nil)
    }

    @Test(
        arguments: [
            (["REQUEST_URI=/"], "REQUEST_METHOD"), (["REQUEST_METHOD=GET"], "REQUEST_URI"),
            (["REQUEST_METHOD=", "REQUEST_URI=/"], "REQUEST_METHOD"),
            (["REQUEST_METHOD=A B", "REQUEST_URI=/"], "REQUEST_METHOD"),
            (["REQUEST_METHOD=GET", "REQUEST_URI=http://x/"], "REQUEST_URI"),
            (["REQUEST_METHOD=GET", "REQUEST_URI=/", "CONTENT_LENGTH=-1"], "CONTENT_LENGTH"),
            (["REQUEST_METHOD=GET", "REQUEST_URI=/", "CONTENT_LENGTH=x"], "CONTENT_LENGTH"),
            (["REQUEST_METHOD=GET", "REQUEST_URI=/", "CONTENT_LENGTH=99999999999999999999"], "CONTENT_LENGTH"),
        ])
    func `an invalid parameter is refused with its name`(entries: [String], name: String) {
        do throws(ParameterError) {
            _ = try request(entries + ["no equals sign"])
            Issue.record("accepted")
        } catch {
            #expect(error.description.hasPrefix(name))
        }
    }

    @Test(arguments: [
        ("3", Request.Body.whole([1, 2, 3])), ("2", .incomplete), ("4", .incomplete), ("", .whole([1, 2, 3])),
    ])
    func `a body of another length than CONTENT_LENGTH is incomplete`(length: String, body: Request.Body) throws {
        #expect(try request(Self.plain + ["CONTENT_LENGTH=\(length)"], body: [1, 2, 3]).body == body)
    }

    @Test func `a body that was not stored is too large`() throws {
        #expect(try request(Self.plain + ["CONTENT_LENGTH=5"], body: nil).body == .tooLarge)
    }
}
