internal import Encodings
package import HTTP
package import JSON
internal import JSONPath

/// A request at an endpoint, as rules and verification look at it. What is costly is parsed when it is first needed.
package final class ReceivedRequest {
    package let method: String
    /// The URL as the sender called it: scheme, host, port, and the path and the query as sent.
    package let url: [UInt8]
    /// The path after the endpoint's id, as sent: empty, or beginning with a slash.
    package let path: [UInt8]
    /// As sent, without its question mark; `nil` if there was none.
    package let query: [UInt8]?
    package let fields: FieldList
    /// The body as sent.
    package let wireBody: [UInt8]
    /// The body without its content coding; equal to `wireBody` if there was none, or if it could not be decoded.
    package private(set) lazy var body: [UInt8] = decode()
    /// The length of `body`, which may be known without it.
    package let bodyByteCount: Int
    private let decode: () -> [UInt8]

    /// The steps that JSONPath queries may still take on this request, all together.
    var steps = ReceivedRequest.jsonSteps

    private var hashedBytes = 0

    /// The most bytes that placeholders of one answer may hash, beside the body once. A placeholder that would hash more is
    /// empty.
    package static let hashBytes = 4 << 20
    /// A body that is longer is not read as JSON.
    package static let jsonBytes = 1 << 20
    /// A body that is longer is not read as a form.
    package static let formBytes = 1 << 20
    /// A body with more JSON values is not read as JSON.
    package static let jsonValues = 50_000
    /// The steps that all JSONPath queries of one request may take together: a few milliseconds. A query that would take
    /// more has no result.
    package static let jsonSteps = 1_000_000

    /// - Parameters:
    ///   - bodyByteCount: the length of the body without its content coding; `nil` if there is none.
    ///   - decode: undoes the content coding; `nil` if there is none.
    package init(
        method: String, url: [UInt8] = [], path: [UInt8] = [], query: [UInt8]? = nil, fields: FieldList = FieldList(),
        wireBody: [UInt8], bodyByteCount: Int? = nil, decode: (() -> [UInt8])? = nil
    ) {
        self.method = method
        self.url = url
        self.path = path
        self.query = query
        self.fields = fields
        self.wireBody = wireBody
        self.bodyByteCount = bodyByteCount ?? wireBody.count
        self.decode = decode ?? { wireBody }
    }

    /// The body as JSON, whatever its media type; `nil` if it is not JSON, or too large. If it is in none of the encodings of
    /// JSON, it is read in the charset that the request names.
    package private(set) lazy var json: JSON? = {
        guard (1...Self.jsonBytes).contains(bodyByteCount), let text = jsonText(body) ?? encodedText else { return nil }
        return try? JSON(parsing: text, maximumValues: Self.jsonValues)
    }()

    private var encodedText: [UInt8]? {
        fields.mediaType?.parameter("charset").flatMap { Charset(label: $0)?.decode(body) }
    }

    private lazy var document: JSONPathDocument? = json.map { JSONPathDocument($0) }

    /// The fields of the query.
    package private(set) lazy var queryFields = URLEncodedForm(query ?? [])

    /// The values of all query fields of a name. Found by its hash, as rules may ask for thousands of names.
    func queryValues(of name: String) -> [[UInt8]] { valuesByName[Array(name.utf8)] ?? [] }

    private lazy var valuesByName = Dictionary(grouping: queryFields.fields, by: \.name).mapValues { $0.map(\.value) }

    /// The values of header fields of a name, compared as `FieldList` does; of many, the first ones. Found by its hash, as rules may
    /// ask for thousands of names.
    func headerValues(of name: String) -> [[UInt8]] { headersByName[FieldList.folded(name.utf8)] ?? [] }

    /// The most values of a header field that rules look at.
    private static let headerValues = 100

    private lazy var headersByName: [[UInt8]: [[UInt8]]] = {
        var found: [[UInt8]: [[UInt8]]] = [:]
        for index in 0..<fields.count {
            let name = FieldList.folded(fields.name(at: index))
            guard found[name, default: []].count < Self.headerValues else { continue }
            found[name, default: []].append(Array(fields.value(at: index)))
        }
        return found
    }()

    /// Whether this many bytes may still be hashed for placeholders; if so, they are counted.
    func mayHash(_ byteCount: Int) -> Bool {
        hashedBytes += byteCount
        return hashedBytes <= Self.hashBytes + wireBody.count
    }

    /// The first result of a query on the JSON body; `nil` if there is none, or no steps are left.
    func firstValue(_ path: JSONPath) -> JSON? {
        guard let document else { return nil }
        // An evaluation that needs more steps than are left has no result.
        return try? path.firstValue(in: document, spending: &steps)
    }

    /// The body as a form; `nil` if it is not one, or too large.
    package private(set) lazy var form: FormBody? =
        bodyByteCount <= Self.formBytes ? FormBody(body, fields.mediaType) : nil

    /// The values of the form's fields of a name.
    func formValues(of name: String) -> [[UInt8]] { form?.values(of: name) ?? [] }
}
