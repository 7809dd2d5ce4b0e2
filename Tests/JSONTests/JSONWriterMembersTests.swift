import JSON
import Testing

@Suite struct JSONWriterMembersTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func `members of every kind are written with name and value`() {
        let body = objectJSON { json in
            json.member("text", "\"é")
            json.member("number", UInt64.max)
            json.member("truth", false)
            json.member("value", JSON.array([.null]))
            json.member("texts", ["a", "b"])
            json.member("bytes", utf8: [0x61, 0xff])
            json.member("written", text: "{\"a\":1}".utf8)
            json.member("object") { json in json.member("a", 1) }
            json.member("objects", arrayOf: 1...2) { json, number in json.object { $0.member("n", number) } }
        }
        #expect(
            text(body) == #"""
                {"text": "\"\u00e9", "number": 18446744073709551615, "truth": false, "value": [null], \#
                "texts": ["a", "b"], "bytes": "a\ufffd", "written": {"a":1}, "object": {"a": 1}, \#
                "objects": [{"n": 1}, {"n": 2}]}
                """#)
    }

    @Test func `missing values are written as null`() {
        let body = objectJSON { json in
            json.member("text", orNull: nil as String?)
            json.member("number", orNull: nil as Int?)
            json.member("bytes", orNull: nil as [UInt8]?)
            json.member("some", orNull: "x")
            json.member("zero", orNull: 0 as Int?)
            json.member("none", orNull: [] as [UInt8]?)
        }
        #expect(
            text(body) == #"{"text": null, "number": null, "bytes": null, "some": "x", "zero": 0, "none": ""}"#)
    }

    @Test func `empty objects, arrays and single values are written`() {
        #expect(text(objectJSON { _ in }) == "{}")
        #expect(text(arrayJSON([] as [Int]) { json, item in json.integer(item) }) == "[]")
        #expect(text(arrayJSON([1, 2], reserving: 10) { json, item in json.integer(item) }) == "[1, 2]")
        #expect(text(valueJSON { json in json.null() }) == "null")
    }
}
