internal import Cryptography
internal import Encodings
internal import HTTP
internal import JSON
internal import JSONPath

/// A part of an answer that is taken from the request: `{json:$.id}`, `{query:name}`, `{header:Name}`, `{form:name}`,
/// `{body}`, or `{hmac-sha256-hex:query:name}`, the HMAC of one of the others under the rule's secret.
indirect enum Placeholder: Sendable {
    /// The first result of a query of RFC 9535 on the JSON body: a string as it is, any other value as JSON.
    case json(JSONPath)
    /// The first field of a name in the query, decoded.
    case query(String)
    /// The first header of a name.
    case header(String)
    /// The first field of a name in the body's form, decoded.
    case form(String)
    /// The body without its content coding; in an HMAC, the body as sent.
    case body
    case hmac(DigestAlgorithm, isHexadecimal: Bool, of: Placeholder)

    /// What a placeholder stands for in one request.
    struct Value {
        var bytes: [UInt8]
        /// Whether the bytes are a JSON value, to be written without escapes where JSON is expected.
        var isJSON = false
    }

    /// `nil` if the request does not have it.
    func value(in request: ReceivedRequest, secret: [UInt8]) -> Value? {
        switch self {
        case .json(let path):
            return request.firstValue(path).map { value in
                if let text = value.string { return Value(bytes: Array(text.utf8)) }
                return Value(bytes: valueJSON { json in json.value(value) }, isJSON: true)
            }
        case .query(let name): return request.queryValues(of: name).first.map { Value(bytes: $0) }
        case .header(let name): return request.headerValues(of: name).first.map { Value(bytes: $0) }
        case .form(let name): return request.formValues(of: name).first.map { Value(bytes: $0) }
        case .body: return Value(bytes: request.body)
        case .hmac(let algorithm, let isHexadecimal, let source):
            let signed: [UInt8]? =
                if case .body = source { request.wireBody } else { source.value(in: request, secret: secret)?.bytes }
            return signed.flatMap { signed in
                guard request.mayHash(signed.count) else { return nil }
                let code = algorithm.authenticationCode(of: signed, key: secret)
                return Value(bytes: Array((isHexadecimal ? hexadecimal(code) : Base64.standard.encode(code)).utf8))
            }
        }
    }

    var usesSecret: Bool { if case .hmac = self { true } else { false } }
}

extension Placeholder {
    static let algorithms = [DigestAlgorithm.sha1, .sha256, .sha384, .sha512]

    /// Reads a text between braces.
    /// - Returns: `nil` if it is not a placeholder: then the braces and the text are meant as they are.
    /// - Throws: why a placeholder is invalid.
    init?(_ text: Substring) throws(InvalidPlaceholder) {
        if text == "body" {
            self = .body
            return
        }
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let kind = text[..<colon]
        let rest = text[text.index(after: colon)...]
        switch kind {
        case "json":
            guard rest.utf8.count <= RuleLimits.queryBytes else {
                throw InvalidPlaceholder(
                    "the JSONPath query of {json:…} must have at most \(RuleLimits.queryBytes) bytes")
            }
            do throws(JSONPathError) {
                self = .json(try JSONPath(parsing: String(rest), dialect: .rfc9535))
            } catch {
                throw InvalidPlaceholder("{json:…} is not a JSONPath query: \(error)")
            }
        case "query": self = .query(try Self.name(rest, kind))
        case "header": self = .header(try Self.name(rest, kind))
        case "form": self = .form(try Self.name(rest, kind))
        default:
            guard let (algorithm, isHexadecimal) = Self.hmac(kind) else { return nil }
            guard let source = try Placeholder(rest), !source.usesSecret else {
                throw InvalidPlaceholder(
                    "{\(kind):…} must have json:…, query:…, header:…, form:… or body after its colon")
            }
            self = .hmac(algorithm, isHexadecimal: isHexadecimal, of: source)
        }
    }

    /// The algorithm and the encoding that a kind such as `hmac-sha256-hex` names.
    private static func hmac(_ kind: Substring) -> (DigestAlgorithm, isHexadecimal: Bool)? {
        let words = kind.split(separator: "-", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "hmac", words[2] == "hex" || words[2] == "base64",
            let algorithm = algorithms.first(where: { $0.rawValue == words[1] })
        else { return nil }
        return (algorithm, words[2] == "hex")
    }

    private static func name(_ text: Substring, _ kind: Substring) throws(InvalidPlaceholder) -> String {
        guard (1...RuleLimits.conditionBytes).contains(text.utf8.count) else {
            throw InvalidPlaceholder("{\(kind):…} must have a name of 1 to \(RuleLimits.conditionBytes) bytes")
        }
        return String(text)
    }
}

/// Why a placeholder is invalid, as the rest of a sentence.
struct InvalidPlaceholder: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}
