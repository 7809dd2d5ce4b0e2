import FoundationEssentials
import JSON
import JSONPath

func json(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8)) }

func document(_ text: String) throws -> JSONPathDocument { JSONPathDocument(try json(text)) }

/// The content of a file in the directory of the tests.
func json(file name: String) throws -> JSON {
    let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    return try JSON(parsing: Array(Data(contentsOf: directory.appendingPathComponent(name))))
}

/// The text of a value. Equal texts have equal scalars; values that are `==` may differ in their scalars.
func text(_ value: JSON) -> String {
    var writer = JSONWriter()
    writer.value(value)
    return String(decoding: writer.bytes, as: UTF8.self)
}

/// The results of a query, as texts.
func results(of query: String, in document: String, dialect: JSONPath.Dialect? = nil) throws -> [String] {
    try JSONPath(parsing: query, dialect: dialect).values(in: JSONPathTests.document(document)).map(text)
}
