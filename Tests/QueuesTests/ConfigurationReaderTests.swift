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
        ("‸", "", "a value was expected, but the text ends"),
        ("{\n  \"a\": ‸}", "", "a value was expected"),
        (configurationText() + " ‸x", "", "something follows the value"),
        (configurationText(",\n‸} //"), "", "a member's name in quotes was expected"),
        // The top.
        ("‸[]", "", "an object was expected"),
        ("‸null", "", "an object was expected"),
        (#"‸{"listen_port": 1, "users": [], "queues": []}"#, "", "\"listen_host\" is missing"),
        (#"‸{"listen_host": "", "users": [], "queues": []}"#, "", "\"listen_port\" is missing"),
        (#" ‸{"listen_host": "", "listen_port": 1, "queues": []}"#, "", "\"users\" is missing"),
        (#"‸{"listen_host": "", "listen_port": 1, "users": []}"#, "", "\"queues\" is missing"),
        (#"{"listen_host": ‸null, "listen_port": 1, "users": [], "queues": []}"#, "listen_host", "a text was expected"),
        (
            #"{"listen_host": "", "listen_port": ‸"80", "users": [], "queues": []}"#, "listen_port",
            "a whole number from 0 to 65535 was expected"
        ),
        (
            #"{"listen_host": "", "listen_port": ‸65536, "users": [], "queues": []}"#, "listen_port",
            "a whole number from 0 to 65535 was expected"
        ),
        (
            #"{"listen_host": "", "listen_port": ‸-1, "users": [], "queues": []}"#, "listen_port",
            "a whole number from 0 to 65535 was expected"
        ),
        (#"{"listen_host": "", "listen_port": 1, "users": ‸null, "queues": []}"#, "users", "an array was expected"),
        (#"{"listen_host": "", "listen_port": 1, "users": [], "queues": ‸{}}"#, "queues", "an array was expected"),
        (configurationText(", ‸\"comment\": \"ä\""), "", "\"comment\" is not known here"),
        (configurationText(", ‸\"users\": []"), "", "\"users\" is there twice"),
        // Users.
        (configurationText(users: "‸5"), "users[0]", "an object was expected"),
        (configurationText(users: #"‸{"pass_hash": "plain;;x"}"#), "users[0]", "\"name\" is missing"),
        (configurationText(users: #"‸{"name": "u"}"#), "users[0]", "\"pass_hash\" is missing"),
        (
            configurationText(users: #"{"name": ‸null, "pass_hash": "plain;;x"}"#), "users[0].name",
            "a text was expected"
        ),
        (configurationText(users: #"{"name": "u", "pass_hash": ‸1}"#), "users[0].pass_hash", "a text was expected"),
        (
            configurationText(users: #"{"name": "u", "pass_hash": ‸"md5;a;b"}"#), "users[0].pass_hash",
            "TYPE;SALT;VALUE was expected, TYPE being plain, sha1, sha224, sha256, sha384, sha512, blake2b, blake2s or argon2id"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": ‸"secret"}"#), "users[0].pass_hash",
            "TYPE;SALT;VALUE was expected"
        ),
        (
            configurationText(users: #"{"name": "ä€", "pass_hash": "plain;;x", ‸"admin": true}"#), "users[0]",
            "\"admin\" is not known here"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", ‸"name": "v"}"#), "users[0]",
            "\"name\" is there twice"
        ),
        (
            configurationText(
                users: #"{"name": "u", "pass_hash": "plain;;x"},\#n‸{"name": "u", "pass_hash": "plain;;y"}"#),
            "users[1]", "another user has the same name"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", "queues": ‸5}"#), "users[0].queues",
            "an array was expected"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", "queues": ["a", ‸["a"]]}"#),
            "users[0].queues[1]", "the name of a queue was expected"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", "can_reload": ‸"yes"}"#),
            "users[0].can_reload", "true or false was expected"
        ),
        (
            configurationText(users: #"{"name": "u", "pass_hash": "plain;;x", "can_reload": ‸2}"#),
            "users[0].can_reload", "true or false was expected"
        ),
        // Queues.
        (configurationText(queues: #"{"name": "q"}, ‸"q""#), "queues[1]", "an object was expected"),
        (configurationText(queues: "‸{}"), "queues[0]", "\"name\" is missing"),
        (configurationText(queues: #"{"name": ‸["q"]}"#), "queues[0].name", "a text was expected"),
        (configurationText(queues: #"{"name": "q", ‸"limit": {}}"#), "queues[0]", "\"limit\" is not known here"),
        (
            configurationText(queues: #"{"name": "q", "whitelist_ip": ‸"::1"}"#), "queues[0].whitelist_ip",
            "an array was expected"
        ),
        (
            configurationText(queues: #"{"name": "q", "whitelist_ip": ["::1", ‸"localhost"]}"#),
            "queues[0].whitelist_ip[1]", "an IP address was expected, or a network such as 10.0.0.0/8"
        ),
        (
            configurationText(queues: #"{"name": "q", "whitelist_ip": [‸"10.0.0.0/33"]}"#), "queues[0].whitelist_ip[0]",
            "an IP address was expected"
        ),
        (
            configurationText(queues: #"{"name": "q", "whitelist_ip": [‸4]}"#), "queues[0].whitelist_ip[0]",
            "an IP address was expected"
        ),
        (configurationText(queues: #"{"name": "q", "auth": ‸[]}"#), "queues[0].auth", "an object was expected"),
        (
            configurationText(queues: #"{"name": "q", "auth": {‸"user": 1}}"#), "queues[0].auth",
            "\"user\" is not known here"
        ),
        (
            configurationText(queues: #"{"name": "q", "auth": {"key": ‸1}}"#), "queues[0].auth.key",
            "a text was expected"
        ),
        (
            configurationText(queues: #"{"name": "q", "auth": {"header_name": ‸[]}}"#), "queues[0].auth.header_name",
            "a text was expected"
        ),
        // Limits.
        (configurationText(", \"max_message_size\": ‸-1"), "max_message_size", "a whole number from 0 on was expected"),
        (
            configurationText(", \"max_message_count\": ‸null"), "max_message_count",
            "a whole number from 0 on was expected"
        ),
        (configurationText(", \"max_queue_size\": ‸\"5\""), "max_queue_size", "a whole number from 0 on was expected"),
        (
            configurationText(queues: #"{"name": "q", "max_message_count": ‸1.5}"#), "queues[0].max_message_count",
            "a whole number from 0 on was expected"
        ),
        (
            configurationText(queues: #"{"name": "q", "max_queue_size": ‸1e3}"#), "queues[0].max_queue_size",
            "a whole number from 0 on was expected"
        ),
        (
            configurationText(queues: #"{"name": "q", "max_queue_size": ‸9223372036854775808}"#),
            "queues[0].max_queue_size", "a whole number from 0 on was expected"
        ),
        (
            configurationText(queues: #"{"name": "q", "max_message_size": ‸1000001}"#), "queues[0].max_message_size",
            "no message of more than 1000000 bytes can arrive (MAX_MESSAGE_BYTES)"
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
        #expect(found.first?.reason.hasPrefix("hmac- or hash- was expected") == true)
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
        #expect("\(found[0])" == "line 4, column 14, users[0].name: a text was expected")
        #expect(found.last.map { "\($0)" }?.hasSuffix(": \"x\" is not known here") == true)
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
                "no password can have this hash: the user cannot log in"
            ),
            (
                configurationText(queues: #"‸{"name": "q"}, {"name": "q"}"#), "queues[0]",
                "a later queue has the same name; this one does not count"
            ),
            (
                configurationText(queues: #"‸{"name": "q", "max_queue_size": 19999}"#), "queues[0]",
                "a message may be larger than the whole queue: one that is empties it"
            ),
            (
                configurationText(queues: #"‸{"name": "q", "max_message_count": 0}"#), "queues[0]",
                "the queue keeps nothing: its readers only learn of losses"
            ),
            (
                configurationText(queues: #"{"name": "q", "auth": ‸{"method": "hmac-sha1", "header_name": "h"}}"#),
                "queues[0].auth", "without \"key\" every message is refused"
            ),
            (
                configurationText(queues: #"{"name": "q", "auth": ‸{"method": "hash-sha1", "key": "k"}}"#),
                "queues[0].auth", "without \"header_name\" every message is refused"
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
