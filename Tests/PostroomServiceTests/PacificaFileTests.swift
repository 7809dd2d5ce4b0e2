import DeliveryEngine
import Events
import Linux
import SystemPackage
import TestSupport
import Testing

@testable import PostroomService

@Suite struct PacificaFileTests {
    @Test func `sections, long values, comments and interpolation are read as configparser reads them`() throws {
        let file = try PacificaFile(
            parsing: """
                # a comment
                [DEFAULT]
                Default_User = me
                host: policy.example
                ; another
                [notifications]
                  policy_url = http://%(HOST)s:8181/a%%20b
                  # in between
                  other = one
                      two
                  user_header=X-User = y
                [empty]

                """)
        #expect(try file.value("DEFAULT", "default_user")?.value == "me")
        #expect(try file.value("notifications", "policy_url")?.value == "http://policy.example:8181/a%20b")
        #expect(try file.value("notifications", "policy_url")?.line == 7)
        #expect(try file.value("notifications", "other")?.value == "one\ntwo")
        #expect(try file.value("notifications", "user_header")?.value == "X-User = y")
        #expect(try file.value("empty", "host")?.value == "policy.example", "every section has the values of DEFAULT")
        #expect(try file.value("empty", "policy_url") == nil)
    }

    @Test(arguments: [
        ("a = 1", 1), ("\n[a]\nb", 3), ("[a]\nb = 1\nB = 2", 3), ("[a]\n[b]\n[a]", 3), ("[]\n", 1), ("[a\n", 1),
        ("[a]\n= 1", 2), ("[a]\nb = %x", 2), ("[a]\nb = %(c)s", 2), ("[a]\nb = %(b)s", 2), ("[a]\nb = 100%", 2),
    ])
    func `a file that configparser refuses is refused with the line`(text: String, line: Int) {
        #expect {
            try PacificaFile(parsing: text)
        } throws: {
            ($0 as? PacificaFile.Fault)?.line == line
        }
    }

    // MARK: Settings

    private func settings(_ text: String, _ environment: [String: String] = [:]) throws -> Settings {
        try withTemporaryDirectory { directory in
            let path = directory.appending("config.ini")
            try Files.create(path, with: Array(text.utf8))
            return try Settings(environment: environment.merging([PacificaSettings.variable: path.string]) { $1 })
        }
    }

    private static let whole = """
        [DEFAULT]
        default_user = nobody
        [notifications]
        user_header = X-User
        policy_url = http://policy.example:8181/
        [celery]
        broker_url = redis://localhost:6379/0
        backend_url = rpc://
        [database]
        peewee_url = postgres://a:b@localhost/c
        connect_attempts = 10
        """

    @Test func `the file gives the settings that the environment does not`() throws {
        let settings = try settings(Self.whole, ["USER_HEADER": "Http-Remote-User"])
        #expect(settings.events.defaultUser == "nobody")
        #expect(settings.events.policyURL == "http://policy.example:8181")
        #expect(settings.delivery.approvalURL == "http://policy.example:8181")
        #expect(settings.events.userHeader == "Http-Remote-User")
    }

    @Test(arguments: [
        ("[notifications]\nuser_header = Http-Remote-User", "none", true),
        ("[notifications]\nuser_header = Http-Remote-User", "header", false),
        ("[DEFAULT]\ndefault_user = a", "none", false),
    ])
    func `a header of the file that names no user gives a warning`(text: String, source: String, warns: Bool) throws {
        try withTemporaryDirectory { directory in
            let path = directory.appending("config.ini")
            try Files.create(path, with: Array(text.utf8))
            let environment = [PacificaSettings.variable: path.string, "USER_SOURCE": source]
            let warnings = try Settings(environment: environment).warnings(environment)
            #expect(warnings.contains { $0.hasPrefix("USER_HEADER has no effect") } == warns)
        }
    }

    @Test func `values without effect are accepted, and listed by name only`() throws {
        #expect(
            try settings(Self.whole).pacifica.ignored == [
                "celery.broker_url", "celery.backend_url", "database.peewee_url", "database.connect_attempts",
            ])
    }

    @Test(arguments: [
        ("[notifications]\npolicy_url = ftp://x", ":2: POLICY_URL is \"ftp://x\", but must be an http"),
        ("[notifications]\n\nuser_header = a b", ":3: USER_HEADER is \"a b\", but must be the name of a header"),
        ("[notifications]\nuser_header", ":2: expected name = value"),
        ("[DEFAULT]\ndefault_user = %(x)s", ":2: default_user: %(x)s refers to an entry that does not exist"),
    ])
    func `an error names the file and the line`(text: String, part: String) {
        #expect {
            try settings(text)
        } throws: {
            "\($0)".contains("config.ini\(part)")
        }
    }

    @Test func `a missing file is refused, and an empty name means no file`() throws {
        #expect {
            try Settings(environment: [PacificaSettings.variable: "/nowhere/config.ini"])
        } throws: {
            "\($0)".hasPrefix("POSTROOM_PACIFICA_CONFIG is \"/nowhere/config.ini\", but must be")
        }
        #expect(try Settings(environment: [PacificaSettings.variable: ""]).pacifica.ignored.isEmpty)
    }
}
