import Cryptography
import JSON
import Linux
import Testing
import Values

@testable import Queues

@Suite struct ConfigurationValuesTests {
    @Test func `users and queues are read with all their settings`() throws {
        let configuration = try readConfiguration(
            configurationText(
                users: """
                    {"name": "anna", "pass_hash": "plain;;a;b", "queues": ["q", "none"], "can_reload": true},
                    {"pass_hash": "sha1;s;*", "name": "bert"}
                    """,
                queues: """
                    {"name": "q", "whitelist_ip": ["1.2.3.4", "10.1.2.3/8", "2001:db8::/32"],
                     "auth": {"method": "hmac-sha256-what", "key": "schlüssel", "header_name": "X-Sig"}},
                    {"name": "größe ∞"}
                    """)
        ).configuration
        let users = [
            QueueConfiguration.User(
                name: "anna", hash: try #require(PasswordHash("plain;;a;b")), mayReload: true, queues: ["q", "none"]),
            QueueConfiguration.User(name: "bert", hash: try #require(PasswordHash("sha1;s;*"))),
        ]
        #expect(configuration.users == users)
        let authentication = SenderAuthentication(
            process: .hmac, algorithm: .sha256, key: Array("schlüssel".utf8), headerName: "X-Sig")
        #expect(configuration.queues.map(\.name) == ["q", "größe ∞"])
        #expect(
            configuration.queues[0].allowedNetworks.map(\.description) == ["1.2.3.4/32", "10.0.0.0/8", "2001:db8::/32"])
        #expect(configuration.queues[0].authentication == authentication)
        #expect(configuration.queues[1] == QueueSettings(name: "größe ∞"))
    }

    @Test(arguments: [
        #"{"name": "q", "auth": null, "whitelist_ip": null}"#, #"{"name": "q", "auth": {}, "whitelist_ip": []}"#,
        #"{"name": "q", "auth": {"key": null, "header_name": null}}"#, #"{"name": "q", "auth": {"key": "k"}}"#,
        #"{"name": "q"}"#,
    ])
    func `a queue without a method and addresses has no restrictions`(queue: String) throws {
        #expect(
            try readConfiguration(configurationText(queues: queue)).configuration.queues == [QueueSettings(name: "q")])
    }

    @Test(
        arguments: [
            ("", false), (#", "can_reload": null"#, false), (#", "can_reload": false"#, false),
            (#", "can_reload": 0"#, false), (#", "can_reload": 1"#, true), (#", "can_reload": true"#, true),
        ])
    func `the right to reload is true or 1, and queues may be missing or null`(more: String, mayReload: Bool) throws {
        for queues in ["", #", "queues": null"#, #", "queues": []"#] {
            let users = try readConfiguration(
                configurationText(users: #"{"name": "u", "pass_hash": "plain;;x"\#(more)\#(queues)}"#)
            )
            .configuration.users
            #expect(users.map(\.mayReload) == [mayReload])
            #expect(users.map(\.queues) == [[]])
        }
    }

    @Test func `a queue's own limits override the file's, and those the built-in ones`() throws {
        func limits(_ queue: String, _ more: String) throws -> QueueLimits? {
            try readConfiguration(configurationText(queues: #"{"name": "q"\#(queue)}"#, more)).configuration.queues
                .first?.limits
        }
        let global = #", "max_message_count": 7, "max_message_size": 8, "max_queue_size": 9"#
        let own = #", "max_message_count": 1, "max_message_size": 2, "max_queue_size": 3"#
        #expect(try limits("", "") == QueueLimits())
        #expect(try limits("", global) == QueueLimits(messageCount: 7, messageBytes: 8, queueBytes: 9))
        #expect(try limits(own, global) == QueueLimits(messageCount: 1, messageBytes: 2, queueBytes: 3))
        #expect(
            try limits(#", "max_message_size": 0"#, #", "max_queue_size": 9"#)
                == QueueLimits(messageCount: 100, messageBytes: 0, queueBytes: 9))
        #expect(try limits(#", "max_message_size": 1000000"#, "")?.messageBytes == 1_000_000)
    }

    @Test func `the last of several queues with the same name counts, in its own position`() throws {
        let queues = #"{"name": "a", "max_message_count": 1}, {"name": "b"}, {"name": "a", "max_message_count": 2}"#
        let found = try readConfiguration(configurationText(queues: queues)).configuration.queues
        #expect(found.map(\.name) == ["b", "a"])
        #expect(found.last?.limits.messageCount == 2)
    }

    /// Swift treats é as equal to e with a combining accent; a path does not.
    @Test func `names that only look the same are different names`() throws {
        let (composed, decomposed) = ("\u{e9}", "e\u{301}")
        let reader = try readConfiguration(
            configurationText(
                users: """
                    {"name": "\(composed)", "pass_hash": "plain;;x", "queues": ["\(decomposed)"]},
                    {"name": "\(decomposed)", "pass_hash": "plain;;y", "queues": ["\(composed)"]}
                    """,
                queues: #"{"name": "\#(composed)"}, {"name": "\#(decomposed)"}"#))
        #expect(reader.warnings == [])
        #expect(
            reader.configuration.users.map { Array($0.name.utf8) } == [Array(composed.utf8), Array(decomposed.utf8)])
        #expect(
            reader.configuration.queues.map { Array($0.name.utf8) } == [Array(composed.utf8), Array(decomposed.utf8)])
        let missing = try readConfiguration(
            configurationText(
                users: #"{"name": "u", "pass_hash": "plain;;x", "queues": ["\#(composed)"]}"#,
                queues: #"{"name": "\#(decomposed)"}"#))
        #expect(missing.warnings.map(\.reason) == ["there is no such queue"])
    }

    @Test func `comments are allowed wherever whitespace is`() throws {
        let text = """
            // The queues of "here" { [
            {/**/"listen_host"/*:*/:// host
              "", "listen_port": 0, /* two
              lines */ "users": [ // none
              ], "queues": [{"name": "// no comment"}, /* { */ {"name": "/* none */"}]
            } // end
            """
        #expect(try readConfiguration(text).configuration.queues.map(\.name) == ["// no comment", "/* none */"])
        #expect(throws: ConfigurationFailure.self) { try readConfiguration(configurationText() + "/* no end") }
        #expect(throws: ConfigurationFailure.self) { try readConfiguration(configurationText() + "/") }
    }

    @Test func `a file that is truncated anywhere is refused`() throws {
        let text = Array(
            configurationText(
                users: #"{"name": "anna", "pass_hash": "plain;;a;b", "queues": ["q"]}"#, queues: #"{"name": "q"}"#
            ).utf8)
        for count in 0..<text.count {
            #expect(throws: ConfigurationFailure.self) {
                try ConfigurationReader(Array(text.prefix(count)), maximumMessageBytes: 1_000_000)
            }
        }
    }
}
