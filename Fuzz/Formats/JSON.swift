@testable import JSON

/// A value that is written and read again is the same; an error has a position in the text.
func fuzzJSON(_ text: [UInt8]) {
    do throws(JSONError) {
        let value = try JSON(parsing: text)
        var writer = JSONWriter()
        writer.value(value)
        require(writer.bytes.allSatisfy { (0x20..<0x7f).contains($0) }, "the writer wrote more than printable ASCII")
        guard let again = try? JSON(parsing: writer.bytes) else { fatalError("what was written is not JSON") }
        require(again == value, "what was written is another value")
        var second = JSONWriter()
        second.value(again)
        require(second.bytes == writer.bytes, "writing again writes something else")
    } catch {
        require((0...text.count).contains(error.offset), "the error is outside of the text")
        require(error.line >= 1 && error.column >= 1, "lines and columns are counted from 1")
    }
    var writer = JSONWriter()
    writer.string(utf8: text)
    let read = try? JSON(parsing: writer.bytes)
    let repaired = String(decoding: text, as: UTF8.self)
    require(read?.string.map { Array($0.utf8) } == Array(repaired.utf8), "a string is repaired in another way")
}
