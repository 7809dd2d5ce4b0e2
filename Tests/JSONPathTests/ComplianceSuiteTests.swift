import JSON
import JSONPath
import Testing

/// The cases of jsonpath-compliance-test-suite, in RFC 9535, in the legacy dialect, and in the dialect that is chosen.
@Suite struct ComplianceSuiteTests {
    private struct Case {
        let name: String
        let selector: String
        let isInvalid: Bool
        let document: JSONPathDocument
        /// Each allowed order of the results, as values and as paths.
        let results: [(values: [String], paths: [String])]

        init(_ value: JSON) {
            func texts(_ value: JSON?) -> [String] { value?.array?.map(text) ?? [] }
            func strings(_ value: JSON?) -> [String] { value?.array?.compactMap(\.string) ?? [] }
            name = value["name"]?.string ?? ""
            selector = value["selector"]?.string ?? ""
            isInvalid = value["invalid_selector"]?.bool ?? false
            document = JSONPathDocument(value["document"] ?? .null)
            if let orders = value["results"]?.array, let paths = value["results_paths"]?.array {
                results = zip(orders, paths).map { (texts($0), strings($1)) }
            } else {
                results = [(texts(value["result"]), strings(value["result_paths"]))]
            }
        }

        /// Whether the outcome is that of RFC 9535.
        func conforms(dialect: JSONPath.Dialect?) throws -> Bool {
            guard let query = try? JSONPath(parsing: selector, dialect: dialect) else { return isInvalid }
            guard !isInvalid else { return false }
            let nodes = try query.nodes(in: document)
            let values = nodes.map { text($0.value) }
            let paths = nodes.map(\.normalizedPath)
            return results.contains { $0.values == values && $0.paths == paths }
        }
    }

    private let cases: [Case]
    private let overlap: JSON

    init() throws {
        cases = try json(file: "ComplianceSuite/cts.json")["tests"]?.array?.map(Case.init) ?? []
        overlap = try json(file: "ComplianceSuite/legacy_overlap.json")
    }

    private func names(_ list: String) -> Set<String> {
        Set(overlap[list]?.array?.compactMap(\.string) ?? [])
    }

    @Test func `all 703 cases have the outcome of RFC 9535`() throws {
        let failed = try cases.filter { try !$0.conforms(dialect: .rfc9535) }.map(\.name)
        #expect(cases.count == 703)
        #expect(failed == [])
    }

    @Test func `the chosen dialect differs from RFC 9535 only in the known cases`() throws {
        let failed = try cases.filter { try !$0.conforms(dialect: nil) }.map(\.name)
        #expect(Set(failed) == names("legacy_meaning").union(names("legacy_accepts")))
    }

    @Test func `the legacy dialect is chosen where filters mean something else, or only it accepts`()
        throws
    {
        let legacy = names("legacy_meaning").union(names("legacy_accepts"))
        for test in cases {
            guard let query = try? JSONPath(parsing: test.selector) else { continue }
            #expect((query.dialect == .legacy) == legacy.contains(test.name), "\(test.name)")
        }
    }

    @Test func `of the cases that are invalid by RFC 9535, the legacy dialect accepts only the known ones`() {
        let accepted = cases.filter { $0.isInvalid && (try? JSONPath(parsing: $0.selector, dialect: .legacy)) != nil }
        #expect(Set(accepted.map(\.name)) == names("legacy_accepts"))
    }

    @Test func `the legacy dialect has the results of RFC 9535 for queries without a filter`() throws {
        let chosen = cases.filter { names("improve").contains($0.name) }
        #expect(chosen.count == 23)
        for test in chosen { #expect(try test.conforms(dialect: .legacy), "\(test.name)") }
    }

    @Test func `every error has a position in the text`() {
        var refused = 0
        for test in cases where test.isInvalid {
            do throws(JSONPathError) {
                _ = try JSONPath(parsing: test.selector)
            } catch {
                refused += 1
                let faults = [error.legacy, error.rfc9535].compactMap(\.self)
                #expect(faults.count == 2)
                for fault in faults {
                    #expect((0...test.selector.utf8.count).contains(fault.offset))
                    #expect(fault.line >= 1 && fault.column >= 1)
                    #expect(!fault.reason.isEmpty)
                }
            }
        }
        // The legacy grammar accepts the others.
        #expect(refused == cases.count(where: \.isInvalid) - names("legacy_accepts").count && refused == 196)
    }
}
