import HTTPTypes
import Testing

@testable import HTTP

@Suite struct RequestIDTests {
    private static let id = "00000000000000ffFFFFFFFFFFFFFFFE"

    @Test(
        arguments: [
            ("1700000000.123", 1_700_000_000_123), ("0.000", 0), ("9999999999999999.999", 9_999_999_999_999_999_999),
        ] as [(String, UInt64)])
    func `the time of a request id is read in milliseconds`(time: String, milliseconds: UInt64) throws {
        let request = try #require(RequestID(time: Array(time.utf8)[...], id: Array(Self.id.utf8)[...]))
        #expect(request == RequestID(milliseconds: milliseconds, high: 0xff, low: .max - 1))
    }

    @Test(arguments: [
        "", "1700000000", ".123", "1700000000.12", "1700000000,123", "-1.000", "1e5.000", "1.0.00",
        "99999999999999999.999",
    ])
    func `a malformed time is refused`(time: String) {
        #expect(RequestID(time: Array(time.utf8)[...], id: Array(Self.id.utf8)[...]) == nil)
    }

    @Test(arguments: [
        "", "0123", String(repeating: "0", count: 31), String(repeating: "0", count: 33),
        String(repeating: "g", count: 32),
    ])
    func `a malformed id is refused`(id: String) {
        #expect(RequestID(time: Array("1.000".utf8)[...], id: Array(id.utf8)[...]) == nil)
    }
}

@Suite struct FieldListTests {
    @Test func `fields keep their order, repetitions and bytes`() {
        var fields = FieldList()
        let added: [(String, [UInt8])] = [("Host", [0x61]), ("X-A", []), ("host", [0xff, 0]), ("", [1])]
        for (name, value) in added { fields.append(name: name.utf8, value: value) }
        #expect(fields.count == 4)
        for (index, (name, value)) in added.enumerated() {
            #expect(fields.name(at: index).elementsEqual(name.utf8))
            #expect(fields.value(at: index).elementsEqual(value))
        }
    }

    @Test func `trimming a request keeps its fields`() {
        var fields = FieldList()
        fields.append(name: "Host".utf8, value: [0x61])
        fields.append(name: "X-A".utf8, value: [])
        let request = Request(method: .get, target: Target(raw: [0x2f], mountPoint: []), fields: fields)
        request.trim()
        #expect(request.fields == fields)
    }

    @Test(arguments: ["Content-Type", "content-type", "CONTENT-TYPE"])
    func `the first field of a name is found, in any letter case`(name: String) {
        var fields = FieldList()
        fields.append(name: "Content-Typ".utf8, value: [0])
        fields.append(name: name.utf8, value: [1])
        fields.append(name: name.utf8, value: [2])
        #expect(fields.firstValue(of: "content-type").map(Array.init) == [1])
        #expect(fields.firstValue(of: "content\rtype") == nil)
        #expect(FieldList().firstValue(of: "content-type") == nil)
    }
}
