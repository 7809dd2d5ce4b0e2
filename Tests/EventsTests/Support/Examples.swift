import Delivery
import HTTP
import HTTPTypes
import JSON
import Testing
import Values

@testable import Events

enum Example {
    static let id = UUID("0b8f4c1e-6d2a-4e9b-b7a3-5c1d2e3f4a50")!
    static let minimal = #"{"name": "n", "jsonpath": "$.data", "target_url": "http://receiver.test/"}"#

    /// 2026-11-22T06:05:37.619275Z.
    static let now = Timestamp(microseconds: 1_795_327_537_619_275)

    /// Reverses the bytes, and puts the purpose before them.
    static let sealing = Sealing(
        seal: { plain, purpose in purpose.context + plain.reversed() },
        open: { sealed, purpose in
            sealed.starts(with: purpose.context) ? sealed.dropFirst(purpose.context.count).reversed() : nil
        })
}

/// Accepts only URLs of http and https.
struct WebURLs: URLRules {
    func fault(_ url: String) -> String? {
        let scheme = url.prefix { $0 != ":" }.lowercased()
        return scheme == "http" || scheme == "https" ? nil : "it does not begin with http:// or https://"
    }
}

func fields(_ fields: [(String, String)]) -> FieldList {
    var list = FieldList()
    for (name, value) in fields { list.append(name: name.utf8, value: value.utf8) }
    return list
}

/// A minimal subscription with members added or replaced; `nil` removes one.
func subscription(_ members: [String: String?]) -> String {
    var all: [String: String?] = [
        "name": #""n""#, "jsonpath": #""$.data""#, "target_url": #""http://receiver.test/""#,
    ]
    for (name, value) in members { all[name] = value }
    let texts = all.compactMap { name, value in value.map { "\"\(name)\": \($0)" } }
    return "{\(texts.sorted().joined(separator: ", "))}"
}

func input(_ body: String, isNew: Bool = true) throws(EventError) -> SubscriptionInput {
    try SubscriptionInput(parsing: Array(body.utf8), isNew: isNew, WebURLs())
}

/// The message of the error that `body` throws, which must have status 400; `nil` if it throws none.
func fault<Value>(_ body: () throws(EventError) -> Value) -> String? {
    do throws(EventError) {
        _ = try body()
        return nil
    } catch {
        #expect(error.status == .badRequest)
        return error.message
    }
}

func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

func object(_ text: String) -> [JSON.Member] {
    guard case .object(let members)? = try? parsed(text) else { preconditionFailure("not an object: \(text)") }
    return members
}

func parsed(_ text: String) throws -> JSON { try JSON(parsing: Array(text.utf8)) }

extension JSON {
    func members() -> [JSON.Member] {
        guard case .object(let members) = self else { return [] }
        return members
    }
}
