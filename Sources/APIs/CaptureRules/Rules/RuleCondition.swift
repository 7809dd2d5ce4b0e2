internal import Cryptography
internal import HTTP
internal import JSON
internal import JSONPath
internal import Values

/// Which requests a rule answers: those that meet all parts of the condition. An empty condition holds for every request.
struct RuleCondition: Sendable {
    /// Empty for any method.
    var methods: [String] = []
    /// For the path below the endpoint's id, as sent, with its percent escapes.
    var path: Glob?
    var headers: [FieldTest] = []
    /// For the decoded fields of the query.
    var query: [FieldTest] = []
    /// A query of RFC 9535 that must have a result in the JSON body.
    var match: JSONPath?
    /// Only recipes have it.
    var signature: SignatureTest?

    var isEmpty: Bool {
        methods.isEmpty && path == nil && headers.isEmpty && query.isEmpty && match == nil && signature == nil
    }

    func holds(for request: ReceivedRequest) -> Bool {
        guard methods.isEmpty || methods.contains(request.method), path?.matches(request.path) ?? true,
            headers.allSatisfy({ $0.holds(for: request.headerValues(of: $0.name)) }),
            query.allSatisfy({ $0.holds(for: request.queryValues(of: $0.name)) })
        else { return false }
        if let match, request.firstValue(match) == nil { return false }
        return signature?.holds(for: request) ?? true
    }
}

/// What a condition requires of the header or query fields of a name.
struct FieldTest: Equatable, Sendable {
    enum Requirement: Equatable, Sendable {
        /// One of them has this value.
        case equals([UInt8])
        case isPresent(Bool)
    }

    let name: String
    let requirement: Requirement

    func holds(for values: [[UInt8]]) -> Bool {
        switch requirement {
        // The value may be a secret.
        case .equals(let wanted): values.contains { isEqualInConstantTime($0, wanted) }
        case .isPresent(let wanted): values.isEmpty != wanted
        }
    }
}

extension RuleCondition {
    private static let known: Set<String> = ["method", "path", "header", "query", "match"]

    /// Reads the member `when` of a rule.
    init(_ json: JSON, at place: String, _ faults: inout SettingFaults) {
        guard let object = SettingObject(json, at: place, known: Self.known, &faults) else { return }
        methods = Self.methods(object, &faults)
        if let text = object.text("path", maximumBytes: RuleLimits.conditionBytes, &faults) {
            if text.isEmpty || text.hasPrefix("/") || text.hasPrefix("*") {
                path = Glob(text)
            } else {
                faults.add(object.place(of: "path"), "must begin with / or *, or be empty for no path")
            }
        }
        headers = Self.tests("header", of: object, &faults) { name in
            name.utf8.allSatisfy(\.isTokenByte) ? nil : "must be a header name"
        }
        query = Self.tests("query", of: object, &faults) { _ in nil }
        if let text = object.text("match", maximumBytes: RuleLimits.queryBytes, &faults) {
            do throws(JSONPathError) {
                match = try JSONPath(parsing: text, dialect: .rfc9535)
            } catch {
                faults.add(object.place(of: "match"), "is not a JSONPath query: \(error)")
            }
        }
    }

    private static func methods(_ object: SettingObject, _ faults: inout SettingFaults) -> [String] {
        guard let value = object["method"] else { return [] }
        let place = object.place(of: "method")
        guard let values = value.array, (1...RuleLimits.conditionFields).contains(values.count) else {
            faults.add(place, "must be an array of 1 to \(RuleLimits.conditionFields) methods, such as [\"POST\"]")
            return []
        }
        var methods: [String] = []
        for (index, value) in values.enumerated() {
            guard let text = value.string, (1...32).contains(text.utf8.count), text.utf8.allSatisfy(\.isTokenByte)
            else {
                faults.add("\(place)[\(index)]", "must be a method, such as POST")
                continue
            }
            // nginx accepts no other methods.
            if text != text.uppercased(), !faults.isStored {
                faults.add("\(place)[\(index)]", "must be written in capital letters: \(text.uppercased())")
            }
            methods.append(text)
        }
        return methods
    }

    private static func tests(
        _ name: String, of object: SettingObject, _ faults: inout SettingFaults, fault: (String) -> String?
    ) -> [FieldTest] {
        var tests: [FieldTest] = []
        for member in object.entries(name, maximumCount: RuleLimits.conditionFields, &faults) {
            let place = "\(object.place(of: name)).\(member.name.shortened(to: 64))"
            let limit = RuleLimits.conditionBytes
            guard !member.name.isEmpty, member.name.utf8.count <= limit else {
                faults.add(place, "the name must have 1 to \(limit) bytes")
                continue
            }
            if let fault = fault(member.name) { faults.add(place, fault) }
            switch member.value {
            case .string(let text) where text.utf8.count <= limit:
                tests.append(FieldTest(name: member.name, requirement: .equals(Array(text.utf8))))
            case .bool(let isPresent):
                tests.append(FieldTest(name: member.name, requirement: .isPresent(isPresent)))
            default:
                faults.add(
                    place, "must be a string of at most \(limit) bytes, true for any value, or false for no such field")
            }
        }
        return tests
    }
}
