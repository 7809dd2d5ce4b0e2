import CloudEvents
import HTTP
import JSON

func fields(_ fields: [(String, String)]) -> FieldList {
    var list = FieldList()
    for (name, value) in fields { list.append(name: name.utf8, value: value.utf8) }
    return list
}

/// The text of the error that `body` throws, or `nil` if it throws none.
func fault<Value>(_ body: () throws(CloudEventFault) -> Value) -> String? {
    do throws(CloudEventFault) {
        _ = try body()
        return nil
    } catch {
        return "\(error)"
    }
}

func object(_ text: String) -> [JSON.Member] {
    guard case .object(let members)? = try? parsed(text) else { preconditionFailure("not an object: \(text)") }
    return members
}

func parsed(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8)) }

func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }
