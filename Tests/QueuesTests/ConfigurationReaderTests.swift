import Cryptography
import JSON
import Linux
import Testing
import Values

@testable import Queues

/// A configuration with these users and queues, and `more` at its end.
func configurationText(users: String = "", queues: String = "", _ more: String = "") -> String {
    """
    {
      "listen_host": "0.0.0.0", "listen_port": 8080,
      "users": [
        \(users)
      ],
      "queues": [
        \(queues)
      ]\(more)
    }
    """
}

/// The text without its marks `‸`, and the position of each mark: line and column from 1, in bytes.
private func unmarked(_ text: String) -> (text: [UInt8], positions: [[Int]]) {
    let mark = Array("‸".utf8)
    var bytes: [UInt8] = []
    var positions: [[Int]] = []
    var rest = Array(text.utf8)[...]
    var (line, column) = (1, 1)
    while let byte = rest.first {
        if rest.starts(with: mark) {
            positions.append([line, column])
            rest = rest.dropFirst(mark.count)
            continue
        }
        bytes.append(byte)
        rest = rest.dropFirst()
        (line, column) = byte == 0x0a ? (line + 1, 1) : (line, column + 1)
    }
    return (bytes, positions)
}

func faults(_ text: [UInt8], maximumMessageBytes: Int = 1_000_000) throws -> [ConfigurationFault] {
    do throws(ConfigurationFailure) {
        _ = try ConfigurationReader(text, maximumMessageBytes: maximumMessageBytes)
        return []
    } catch .faulty(let faults) {
        return faults
    } catch {
        throw error
    }
}

func readConfiguration(_ text: String) throws -> ConfigurationReader {
    try ConfigurationReader(Array(text.utf8), maximumMessageBytes: 1_000_000)
}

@Suite struct ConfigurationReaderTests {
    // MARK: Errors

    /// Texts with a mark at the error, and its path and reason.
    private static let faulty: [(text: String, path: String, reason: String)] = [
        // The text.
        ("‸", "", "expected a value, but the text ends"),
        ("{\n  \"a\": ‸}", "", "expected a value"),
        (configurationText() + " ‸x", "", "unexpected text after the value"),
        (configurationText(",\n‸} //"), "", "expected a member name in double quotes"),
        // The top.
        ("‸[]", "", "must be an object"),
        ("‸null", "", "must be an object"),
        (#"‸{"listen_port": 1, "users": [], "queues": []}"#, "", "\"listen_host\" is missing"),
        (#"‸{"listen_host": "", "users": [], "queues": []}"#, "", "\"listen_port\" is missing"),
        (#" ‸{"listen_host": "", "listen_port": 1, "queues": []}"#, "", "\"users\" is missing"),
        (#"‸{"listen_host": "", "listen_port": 1, "users": []}"#, "", "\"queues\" is missing"),
        (#"{"listen_host": ‸null, "listen_port": 1, "users": [], "queues": []}"#, "listen_host", "must be a string"),
        (
            #"{"listen_host": "", "listen_port": ‸"80", "users": [], "queues": []}"#, "listen_port",
            "must be a whole number from 0 to 65535"
        ),
        (
            #"{"listen_host": "", "listen_port": ‸65536, "users": [], "queues": []}"#, "listen_port",
            "must be a whole number from 0 to 65535"
        ),
        (
            #"{"listen_host": "", "listen_port": ‸-1, "users": [], "queues": []}"#, "listen_port",
            "must be a whole number from 0 to 65535"
        ),
        (#"{"listen_host": "", "listen_port": 1, "users": ‸null, "queues": []}"#, "users", "must be an array"),
        (#"{"listen_host": "", "listen_port": 1, "users": [], "queues": ‸{}}"#, "queues", "must be an array"),
        (configurationText(", ‸\"comment\": \"ä\""), "", "\"comment\" is not a known member"),
        (configurationText(", ‸\"users\": []"), "", "\"users\" is a duplicate member"),
        // Users.
        (configurationText(users: "‸5"), "users[0]", "must be an object"),
        (configurationText(users: #"‸{"pass_hash": "plain;;x"}"#), "users[0]", "\"name\" is missing"),
        (configurationText(users: #"‸{"name": "u"}"#), "users[0]", "\"pass_hash\" is missing"),
        (
            configurationText(users: #"{"name": ‸null, "pass_hash": "plain;;x"}"#), "users[0].name",
            "must be a string"
        ),
        (configurationText(users: #"{"name": "u", "pass_hash": ‸1}"#), "users[0].pass_hash", "must be a string"),
        (
            configurationText(users: #"{"name": "u", "pass_hash": ‸"md5;a;b"}"#), "users[0].pass_hash",
            "must be TYPE;SALT;VALUE, where TYPE is plain, sha1, sha224, sha256, sha384, sha512, blake2b, blake2s or argon2id"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": ‸"secret"}"#), "users[0].pass_hash",
            "must be TYPE;SALT;VALUE"
        ),
        (
            configurationText(users: #"{"name": "ä€", "pass_hash": "plain;;x", ‸"admin": true}"#), "users[0]",
            "\"admin\" is not a known member"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", ‸"name": "v"}"#), "users[0]",
            "\"name\" is a duplicate member"
        ),
        (
            configurationText(
                users: #"{"name": "u", "pass_hash": "plain;;x"},\#n‸{"name": "u", "pass_hash": "plain;;y"}"#),
            "users[1]", "another user has the same name"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", "queues": ‸5}"#), "users[0].queues",
            "must be an array"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", "queues": ["a", ‸["a"]]}"#),
            "users[0].queues[1]", "must be the name of a queue"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", "can_reload": ‸"yes"}"#),
            "users[0].can_reload", "must be true or false"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", "can_reload": ‸2}"#),
            "users[0].can_reload", "must be true or false"
        ),
        // Queues.
        (configurationText(queues: #"{"name": "q"}, ‸"q""#), "queues[1]", "must be an object"),
        (configurationText(queues: "‸{}"), "queues[0]", "\"name\" is missing"),
        (configurationText(queues: #"{"name": ‸["q"]}"#), "queues[0].name", "must be a string"),
        (configurationText(queues: #"{"name": "q", ‸"limit": {}}"#), "queues[0]", "\"limit\" is not a known member"),
        (
            configurationText(queues: #"{"name": "q", "whitelist_ip": ‸"::1"}"#), "queues[0].whitelist_ip",
            "must be an array"
        ),
        (
            configurationText(queues: #"{"name": "q", "whitelist_ip": ["::1", ‸"localhost"]}"#),
            "queues[0].whitelist_ip[1]", "must be an IP address, or a network such as 10.0.0.0/8"
        ),
        (
            configurationText(queues: #"{"name": "q", "whitelist_ip": [‸"10.0.0.0/33"]}"#), "queues[0].whitelist_ip[0]",
            "must be an IP address"
        ),
        (
            configurationText(queues: #"{"name": "q", "whitelist_ip": [‸4]}"#), "queues[0].whitelist_ip[0]",
            "must be an IP address"
        ),
        (configurationText(queues: #"{"name": "q", "auth": ‸[]}"#), "queues[0].auth", "must be an object"),
        (
            configurationText(queues: #"{"name": "q", "auth": {‸"user": 1}}"#), "queues[0].auth",
            "\"user\" is not a known member"
        ),
        (
            configurationText(queues: #"{"name": "q", "auth": {"key": ‸1}}"#), "queues[0].auth.key",
            "must be a string"
        ),
        (
            configurationText(queues: #"{"name": "q", "auth": {"header_name": ‸[]}}"#), "queues[0].auth.header_name",
            "must be a string"
        ),
        // Limits.
        (configurationText(", \"max_message_size\": ‸-1"), "max_message_size", "must be a whole number, 0 or more"),
        (
            configurationText(", \"max_message_count\": ‸null"), "max_message_count",
            "must be a whole number, 0 or more"
        ),
        (configurationText(", \"max_queue_size\": ‸\"5\""), "max_queue_size", "must be a whole number, 0 or more"),
        (
            configurationText(queues: #"{"name": "q", "max_message_count": ‸1.5}"#), "queues[0].max_message_count",
            "must be a whole number, 0 or more"
        ),
        (
            configurationText(queues: #"{"name": "q", "max_queue_size": ‸1e3}"#), "queues[0].max_queue_size",
            "must be a whole number, 0 or more"
        ),
        (
            configurationText(queues: #"{"name": "q", "max_queue_size": ‸9223372036854775808}"#),
            "queues[0].max_queue_size", "must be a whole number, 0 or more"
        ),
        (
            configurationText(queues: #"{"name": "q", "max_message_size": ‸1000001}"#), "queues[0].max_message_size",
            "must be at most 1000000, the value of MAX_MESSAGE_BYTES"
        ),
    ]

    @Test(arguments: faulty)
    func `an error has its line, column, path and reason`(marked: String, path: String, reason: String) throws {
        let (text, positions) = unmarked(marked)
        let found = try faults(text)
        #expect(found.map { [$0.line, $0.column] } == positions, "\(found)")
        #expect(found.map(\.path) == [path])
        #expect(found.allSatisfy { $0.reason.hasPrefix(reason) }, "\(found)")
    }

    @Test(arguments: [
        #""""#, #""hmac""#, #""sha256""#, #""HMAC-sha256""#, #""hmac-SHA256""#, #""hmac-md5""#, #""hmac-""#,
        #""-sha256""#, #""plain-""#, #""sign-sha256""#, #"" hmac-sha256""#, "null", "5", "[]", #""hmac_sha256""#,
    ])
    func `an unknown signature method is refused`(method: String) throws {
        let queue = #"{"name": "q", "auth": {"key": "k", "header_name": "h", "method": ‸\#(method)}}"#
        let (text, positions) = unmarked(configurationText(queues: queue))
        let found = try faults(text)
        #expect(found.map { [$0.line, $0.column] } == positions)
        #expect(found.first?.path == "queues[0].auth.method")
        #expect(found.first?.reason.hasPrefix("must be hmac- or hash- followed by") == true)
    }

    @Test func `all errors are reported, in the order of the file`() throws {
        let marked = configurationText(
            users: #"{"name": ‸1, "pass_hash": ‸"x"}, ‸{}"#, queues: #"{"name": "a", "auth": ‸5}, ‸7"#,
            ",\n  \"max_queue_size\": ‸-1, ‸\"x\": null")
        let (text, positions) = unmarked(marked)
        let found = try faults(text)
        // The second user has two errors at the same position.
        #expect(found.map { [$0.line, $0.column] } == positions[...2] + [positions[2]] + positions[3...])
        #expect(
            found.map(\.path) == [
                "users[0].name", "users[0].pass_hash", "users[1]", "users[1]", "queues[0].auth", "queues[1]",
                "max_queue_size", "",
            ])
        #expect("\(found[0])" == "line 4, column 14, users[0].name: must be a string")
        #expect(found.last.map { "\($0)" }?.hasSuffix(": \"x\" is not a known member") == true)
    }

    @Test func `at most a hundred errors are reported`() throws {
        let queues = [String](repeating: "1", count: 5000).joined(separator: ",")
        #expect(try faults(Array(configurationText(queues: queues).utf8)).count == 100)
    }

    // MARK: Warnings

    @Test(
        arguments: [
            (
                configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", "queues": [‸"q"]}"#),
                "users[0].queues[0]", "there is no such queue"
            ),
            (
                configurationText(users: #"{"name": "u", "pass_hash": ‸"sha1;;*"}"#), "users[0].pass_hash",
                "the user cannot log in: no password has this hash"
            ),
            (
                configurationText(queues: #"‸{"name": "q"}, {"name": "q"}"#), "queues[0]",
                "this queue is ignored: a later queue has the same name"
            ),
            (
                configurationText(queues: #"‸{"name": "q", "max_queue_size": 19999}"#), "queues[0]",
                "max_message_size is larger than max_queue_size: a message larger than the queue empties it"
            ),
            (
                configurationText(queues: #"‸{"name": "q", "max_message_count": 0}"#), "queues[0]",
                "max_message_count is 0: the queue keeps no messages, and its clients only learn of losses"
            ),
            (
                configurationText(queues: #"{"name": "q", "auth": ‸{"method": "hmac-sha1", "header_name": "h"}}"#),
                "queues[0].auth", "\"key\" is missing: every message is refused"
            ),
            (
                configurationText(queues: #"{"name": "q", "auth": ‸{"method": "hash-sha1", "key": "k"}}"#),
                "queues[0].auth", "\"header_name\" is missing: every message is refused"
            ),
        ])
    func `a probable mistake gives a warning, and is accepted`(marked: String, path: String, reason: String) throws {
        let (text, positions) = unmarked(marked)
        let reader = try ConfigurationReader(text, maximumMessageBytes: 1_000_000)
        #expect(reader.warnings.map { [$0.line, $0.column] } == positions)
        #expect(reader.warnings.map(\.path) == [path])
        #expect(reader.warnings.map(\.reason) == [reason])
    }

    @Test func `a sensible configuration gives no warning`() throws {
        let reader = try readConfiguration(
            configurationText(
                users: #"{"name": "u", "pass_hash": "plain;;", "queues": ["q", "r"]}"#,
                queues: """
                    {"name": "q", "max_message_size": 20000, "max_queue_size": 20000, "max_message_count": 1},
                    {"name": "r", "auth": {"method": "hash-sha1", "header_name": "h"}}
                    """))
        #expect(reader.warnings == [])
    }
}
