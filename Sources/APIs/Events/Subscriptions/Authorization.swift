internal import Encodings
internal import HTTP
internal import JSON

/// The member `auth` of a subscription, by which the target authenticates the sender.
enum Authorization {
    /// The value of the header `Authorization`; `nil` if details are missing.
    static func header(_ auth: JSON) -> String? {
        switch auth["type"]?.string {
        case "basic":
            guard let details = auth["basic"], let user = details["username"]?.string,
                let password = details["password"]?.string
            else { return nil }
            return basic(user: user, password: password)
        case "header":
            guard let details = auth["header"], let type = details["type"]?.string,
                let credentials = details["credentials"]?.string
            else { return nil }
            return "\(type) \(credentials)"
        default: return nil
        }
    }

    /// RFC 7617, section 2, in UTF-8.
    static func basic(user: String, password: String) -> String {
        "Basic " + Base64.standard.encode("\(user):\(password)".utf8)
    }

    /// The error in the member, as its path and the rest of a sentence; `nil` if it has none.
    static func fault(_ auth: JSON) -> (path: String, reason: String)? {
        guard case .object = auth else { return ("auth", "must be an object") }
        guard let type = auth["type"]?.string, ["basic", "header"].contains(type) else {
            return ("auth.type", "must be \"basic\" or \"header\"")
        }
        let kinds: [(String, [String])] = [("basic", ["username", "password"]), ("header", ["type", "credentials"])]
        for (kind, names) in kinds {
            guard let details = auth[kind] else { continue }
            guard case .object = details else { return ("auth.\(kind)", "must be an object") }
            for name in names where details[name]?.string == nil {
                return ("auth.\(kind).\(name)", "must be a string")
            }
        }
        guard let value = header(auth) else { return nil }
        if value.utf8.contains(where: \.isFieldControl) {
            return ("auth.\(type)", "must not contain control characters")
        }
        if value.utf8.count > maximumBytes { return ("auth.\(type)", "must have at most \(maximumBytes) bytes") }
        return nil
    }

    private static let maximumBytes = 8192
}
