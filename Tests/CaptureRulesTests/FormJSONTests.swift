import HTTP
import JSON
import Testing

@testable import CaptureRules

@Suite struct FormJSONTests {
    private func json(_ body: [UInt8], _ type: String) throws -> JSON {
        let form = try #require(FormBody(body, MediaType(type)))
        return try JSON(parsing: valueJSON { json in form.write(to: &json) })
    }

    @Test func `a part has its text, and its bytes if it is not text`() throws {
        let head = "--q\r\nContent-Disposition: form-data; name=f; filename=x\r\nContent-Type: image/png\r\n\r\n"
        let found = try json(Array(head.utf8) + [0xff, 0] + Array("\r\n--q--".utf8), "multipart/form-data; boundary=q")
        let part = try #require(found["parts"]?.array?.first)
        #expect(part["name"] == .string("f") && part["filename"] == .string("x") && part["bytes"] == .number("2"))
        #expect(part["contentType"] == .string("image/png") && part["charset"] == .string("utf-8"))
        #expect(part["value"] == .string("\u{fffd}\0") && part["valueBase64"] == .string("/wA="))
        #expect(part["offset"]?.integer == head.utf8.count && part["headers"]?.array?.count == 2)
        #expect(found["faults"] == .array([]))
    }

    @Test func `a field of another form has neither headers nor a place`() throws {
        let found = try json(Array("a=%zz".utf8), "application/x-www-form-urlencoded")
        let part = try #require(found["parts"]?.array?.first)
        #expect(part["value"] == .string("%zz") && part["filename"] == .null && part["valueBase64"] == nil)
        #expect(part["offset"] == nil && part["headers"] == nil)
        #expect(found["faults"] == .array([.string("1 percent sign is not followed by two hexadecimal digits.")]))
    }

    @Test(arguments: [16 << 10, (16 << 10) + 1])
    func `a long value is left out`(count: Int) throws {
        let found = try json(
            Array("a=".utf8) + Array(repeating: 0x62, count: count), "application/x-www-form-urlencoded")
        let part = try #require(found["parts"]?.array?.first)
        #expect(part["bytes"]?.integer == count)
        #expect((part["value"] == .null) == (count > 16 << 10))
    }
}
