internal import HTTP

/// What a body is said to be.
enum MediaType {
    /// Why a body cannot be taken as JSON, as a sentence; `nil` where it can, or nothing is said of it.
    static func fault(_ fields: FieldList) -> String? {
        if let coding = text(fields, "content-encoding"), coding != "identity" {
            return "The body must be sent as it is, without a content coding."
        }
        guard let type = text(fields, "content-type") else { return nil }
        return isJSON(type) ? nil : "The body must be JSON: application/json, or a type that ends in +json."
    }

    /// A field's value in lower case and without its parameters; `nil` where it is not there, or empty.
    private static func text(_ fields: FieldList, _ name: StaticString) -> String? {
        guard let value = fields.firstValue(of: name) else { return nil }
        let type = value.prefix { $0 != UInt8(ascii: ";") }.filter { $0 != 0x20 && $0 != 0x09 }
        return type.isEmpty ? nil : String(decoding: type, as: UTF8.self).lowercased()
    }

    /// - Parameter type: in lower case and without parameters.
    static func isJSON(_ type: String) -> Bool {
        type == "application/json" || type == "text/json" || (type.hasPrefix("application/") && type.hasSuffix("+json"))
    }
}
