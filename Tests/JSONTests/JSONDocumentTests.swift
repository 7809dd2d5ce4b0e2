import Testing

@testable import JSON

@Suite struct JSONDocumentTests {
    private func document(_ text: String, comments: Bool = false) throws(JSONError) -> JSONNode {
        try JSONDocument(parsing: Array(text.utf8), allowsComments: comments).root
    }

    /// The text of the node and of all nodes in it, in the order of the text.
    private func texts(of node: JSONNode, in text: String) -> [String] {
        let children = node.members?.map(\.value) ?? node.elements ?? []
        return [slice(node.range, of: text)] + children.flatMap { texts(of: $0, in: text) }
    }

    private func slice(_ range: Range<Int>, of text: String) -> String {
        String(decoding: Array(text.utf8)[range], as: UTF8.self)
    }

    @Test(
        arguments: [
            (" null\n", ["null"]), ("-1.5e+3", ["-1.5e+3"]), (#"  "a\"b\u00e9\\" "#, [#""a\"b\u00e9\\""#]),
            ("[ ]", ["[ ]"]),
            (" [1 ,[true, [ ]], {} ]", ["[1 ,[true, [ ]], {} ]", "1", "[true, [ ]]", "true", "[ ]", "{}"]),
            ("[\"é\", \"😀\", 7]", ["[\"é\", \"😀\", 7]", "\"é\"", "\"😀\"", "7"]),
            (
                #"{"a": {"b" : [0]}, "c":"d"}"#,
                [#"{"a": {"b" : [0]}, "c":"d"}"#, #"{"b" : [0]}"#, "[0]", "0", #""d""#]
            ),
            ("/* [ */ [1/*,*/, // ]\n2] // end", ["[1/*,*/, // ]\n2]", "1", "2"]),
        ] as [(String, [String])])
    func `every value has its range in the text`(text: String, values: [String]) throws {
        let root = try document(text, comments: true)
        #expect(texts(of: root, in: text) == values)
    }

    @Test func `members are in the order of the text, with the ranges of their names`() throws {
        let text = #"{"a":1, "\u00e9" : {"a": 2}, "a" :3, "":[]}"#
        let members = try #require(try document(text).members)
        #expect(members.map(\.name) == ["a", "é", "a", ""])
        #expect(members.map { slice($0.nameRange, of: text) } == [#""a""#, #""\u00e9""#, #""a""#, #""""#])
        #expect(members.map { slice($0.value.range, of: text) } == ["1", #"{"a": 2}"#, "3", "[]"])
        #expect(
            members.map(\.value.value) == [.number("1"), .object([.init("a", .number("2"))]), .number("3"), .array([])])
    }

    @Test func `the last of several members with the same name counts`() throws {
        let root = try document(#"{"a": 1, "b": {"c": 4}, "a": 2}"#)
        #expect(root["a"]?.value == .number("2") && root["a"]?.range == 29..<30)
        #expect(root["b"]?["c"]?.range == 20..<21)
        #expect(root["c"] == nil && root["a"]?["a"] == nil)
    }

    @Test func `only an object has members, and only an array has elements`() throws {
        let root = try document(#"[{"a": []}, 1, "text", null]"#)
        let elements = try #require(root.elements)
        #expect(root.members == nil && root["a"] == nil)
        #expect(elements[0].elements == nil && elements[0].members?.count == 1)
        #expect(elements[0]["a"]?.elements?.isEmpty == true)
        #expect(elements.dropFirst().allSatisfy { $0.elements == nil && $0.members == nil })
    }

    @Test(
        arguments: [
            (
                "{ // größe\n  \"é\" : {\"n\":\t1.0e0 },/* last */ \"n\":2\n}\n",
                "{ // größe\n  \"é\" : {\"n\":\t[\"ü\"] },/* last */ \"n\":2\n}\n"
            ),
            ("{\"é\":{\"n\":\"\\u00e9\\\"\"}}", "{\"é\":{\"n\":[\"ü\"]}}"),
            ("{\"é\":{\"n\":1,\"n\":{\"n\":2}/**/}}", "{\"é\":{\"n\":1,\"n\":[\"ü\"]/**/}}"),
        ])
    func `replacing the range of a value leaves the rest of the text unchanged`(text: String, changed: String) throws {
        var bytes = Array(text.utf8)
        let node = try #require(try document(text, comments: true)["é"]?["n"])
        bytes.replaceSubrange(node.range, with: #"["ü"]"#.utf8)
        #expect(String(decoding: bytes, as: UTF8.self) == changed)
    }

    @Test(
        arguments: [
            "//\n1", "1//", "1 // c", "/**/1", "1/***/", "[/* / * // */]", "[1/**/,/**/2//]\n]",
            "/* \n */ // \n\t/**/ 1",
            "{/**/}", "{/**/\"a\"/**/:/**/1/**/,//,\n\"b\":2}", "/*/ 1 */ 1", "// /* \n1", "1 // \u{e9} */",
        ])
    func `comments are accepted only if they are allowed`(text: String) throws {
        _ = try document(text, comments: true)
        #expect(throws: JSONError.self) { try document(text) }
        #expect(throws: JSONError.self) { try JSON(parsing: Array(text.utf8)) }
    }

    @Test(arguments: [#""/* a */""#, #""// a""#, #""http://a/*""#])
    func `the marks of a comment are text in a string`(text: String) throws {
        #expect(try document(text, comments: true).value == .string(String(text.dropFirst().dropLast())))
    }

    @Test(
        arguments: [
            ("{\n  \"a\": /* no end *\n}", 9, 2, 8, "unterminated comment"),
            ("1 /*", 2, 1, 3, "unterminated comment"),
            ("/*/", 0, 1, 1, "unterminated comment"), ("/* a\n*/ x", 8, 2, 4, "expected a value"),
            ("/", 0, 1, 1, "expected a value"), ("[1 / 2]", 3, 1, 4, "expected \",\" or \"]\""),
            ("1 // a\n2", 7, 2, 1, "unexpected text after the value"),
            ("// 1", 4, 1, 5, "expected a value, but the text ends"),
            ("1 # a", 2, 1, 3, "unexpected text after the value"), ("[1, // a\n]", 9, 2, 1, "expected a value"),
        ])
    func `an error in a text with comments has its position and reason`(
        text: String, offset: Int, line: Int, column: Int, reason: String
    ) throws {
        let error = #expect(throws: JSONError.self) { try document(text, comments: true) }
        #expect(error == JSONError(reason: reason, offset: offset, line: line, column: column))
    }

    @Test func `a document may be nested up to the maximum depth and no deeper`() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        var node = try document(nested(JSON.maximumDepth))
        for depth in 1..<JSON.maximumDepth {
            node = try #require(node.elements?.first)
            #expect(node.range == depth..<(2 * JSON.maximumDepth - depth))
        }
        #expect(throws: JSONError.self) { try document(nested(JSON.maximumDepth + 1)) }
    }

    @Test(.timeLimit(.minutes(1)))
    func `ten thousand nested members each have their range`() throws {
        let text = "{" + (0..<10_000).map { #""m\#($0)": [{"é": \#($0)}, []]"# }.joined(separator: ",\n") + "}"
        let bytes = Array(text.utf8)
        let members = try #require(try document(text).members)
        #expect(members.count == 10_000)
        for (number, member) in members.enumerated() {
            let value = try #require(member.value.elements?.first?["é"])
            #expect(bytes[value.range].elementsEqual(String(number).utf8))
            #expect(bytes[member.nameRange].elementsEqual("\"m\(number)\"".utf8))
        }
    }
}
