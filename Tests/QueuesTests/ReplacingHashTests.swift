import Cryptography
import JSON
import Linux
import Testing

@testable import Queues

private let composed = "\u{e9}"
private let accent = "\u{301}"

@Suite struct ReplacingHashTests {
    private static let hash = "sha512;00;\"\\\u{1}new"

    private func replaced(_ user: String, _ text: String) throws -> String {
        let hash = try #require(PasswordHash(Self.hash))
        return String(decoding: try replacingHash(of: user, by: hash, in: Array(text.utf8)), as: UTF8.self)
    }

    /// The hash that is replaced is marked.
    @Test(
        arguments: [
            ("anna", #"{"users": [{"name": "anna", "pass_hash": ‸"plain;;x"‸}]}"#),
            ("anna", "// x\r\n{\"users\" : [ {\t\"pass_hash\"/* : */:‸\"plain;;x\"‸//\n,\"name\":\"anna\" } ] }\r\n\n"),
            ("bert", #"{"users": [{"name": "anna", "pass_hash": "a"}, {"name": "bert", "pass_hash": ‸"a"‸}, 5]}"#),
            ("ä\n", #"{"users": [{"name": "\u00e4\n", "pass_hash": ‸"ä€😀"‸, "x": "ä"}], "users_": []}"#),
            // Text that the reader would refuse.
            ("anna", #"{"users": [{"name": "anna", "pass_hash": ‸{"old": ["x"]}‸}], "x": 1}"#),
            ("anna", #"{"users": [{"name": "anna", "pass_hash": "1"}, {"name": "anna", "pass_hash": ‸"2"‸}]}"#),
            ("anna", #"{"users": [{"name": "anna", "pass_hash": "1", "pass_hash": ‸"2"‸}]}"#),
            ("", #"{"users": [{"name": "", "pass_hash": ‸"1"‸}]}"#),
            (
                "e\u{301}",
                #"{"users": [{"name": "\#(composed)", "pass_hash": "1"}, {"name": "e\#(accent)", "pass_hash": ‸"2"‸}]}"#
            ),
        ])
    func `the user's hash is replaced, and nothing else`(user: String, marked: String) throws {
        let parts = marked.split(separator: "‸", omittingEmptySubsequences: false)
        let found = try replaced(user, parts.joined())
        #expect(Array(found.utf8) == Array((parts[0] + #""sha512;00;\"\\\u0001new""# + parts[2]).utf8))
        let root = try JSONDocument(parsing: Array(found.utf8), allowsComments: true).root
        let entry = root["users"]?.elements?.last { $0["name"]?.value.string == user }
        #expect(entry?["pass_hash"]?.value.string == Self.hash)
    }

    @Test(
        arguments: [
            ("Anna", #"{"users": [{"name": "anna", "pass_hash": "x"}]}"#), ("anna", #"{"users": []}"#), ("anna", "{}"),
            ("anna", "[]"), ("anna", #"{"users": {"name": "anna", "pass_hash": "x"}}"#),
            ("anna", #"{"users": [{"name": "anna"}]}"#),
            ("anna", #"{"users": [{"name": ["anna"], "pass_hash": "x"}]}"#),
            ("e\u{301}", #"{"users": [{"name": "\#(composed)", "pass_hash": "x"}]}"#),
        ])
    func `a user who is not in the file is unknown`(user: String, text: String) {
        #expect(throws: ConfigurationFailure.unknownUser(user)) { try replaced(user, text) }
    }

    @Test func `a malformed file is refused with the position`() {
        let fault = ConfigurationFault(line: 2, column: 1, path: "", reason: "expected a value")
        #expect(throws: ConfigurationFailure.faulty([fault])) { try replaced("anna", "{\"users\":\n}") }
    }
}
