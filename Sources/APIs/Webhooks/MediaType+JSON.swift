internal import HTTP

extension MediaType {
    /// Why a body cannot be read as JSON, as a sentence; `nil` if it can, or if it has no Content-Type.
    static func fault(_ fields: FieldList) -> String? {
        if let coding = fields.firstValue(of: "content-encoding").map({ MediaType(bytes: $0).name }), !coding.isEmpty,
            coding != "identity"
        {
            return "The body must be sent without a content coding."
        }
        guard let type = fields.mediaType, !type.name.isEmpty else { return nil }
        return type.isDeliverable ? nil : "The body must be JSON: application/json, or a type that ends in +json."
    }

    /// Whether data of this type can be delivered as JSON.
    var isDeliverable: Bool {
        name == "application/json" || name == "text/json" || (name.hasPrefix("application/") && name.hasSuffix("+json"))
    }
}
