import Events
import Linux
import SystemPackage
import TestSupport
import Testing

@testable import PostroomService

@Suite struct NginxFilesTests {
    /// The templates of this checkout.
    private static let templates = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .removingLastComponent().appending("nginx")

    private func fill(_ template: String, _ change: (inout Settings) -> Void = { _ in }) -> String {
        var settings = Settings()
        settings.dataDirectory = "/data"
        change(&settings)
        return NginxFiles(settings: settings, templates: "/share/nginx").fill(template, workerUser: "www-data")
    }

    @Test(
        arguments: [
            ("@USER@", "user www-data;"), ("@RUN@/x@RUN@", "/data/run/x/data/run"), ("@API_DIRECTORY@", "/share/api"),
            ("@PAGE_DIRECTORY@", "/share/page"),
            ("@BODY_BYTES@", "26214400"),
            ("@ADDRESS@@LISTEN_TLS@", "127.0.0.1:8080"), ("@MOUNT@/", "/"),
            ("@OUTSIDE@@BARE_MOUNT@@TLS@@LIMITS@@LIMIT_ZONES@@REAL_IP@", ""),
            ("@DESCRIPTORS@ @CONNECTIONS@ @BACKLOG@", "16448 8192 8192"), ("@NO_SUCH@ a@b", "@NO_SUCH@ a@b"),
            ("@SHUTDOWN@ @RETRY@", "10 80"), ("", ""),
        ])
    func `words between at signs are replaced by settings`(template: String, text: String) {
        #expect(fill(template) == text)
    }

    @Test func `settings that are switched on add their lines`() {
        #expect(
            fill("@LIMITS@") { $0.requestsPerSecond = 5 }.hasPrefix("limit_req zone=postroom_rate burst=5 nodelay;"))
        #expect(
            fill("@LIMIT_ZONES@") { $0.connectionsPerAddress = 3 }
                == "limit_conn_zone $binary_remote_addr zone=postroom_connections:10m;")
        #expect(fill("@REAL_IP@") { $0.trustedProxies = ["10.0.0.0/8", "::1"] }.contains("set_real_ip_from ::1;"))
        #expect(fill("@ADDRESS@") { $0.host = "::" } == "[::]:8080")
        #expect(fill("@BARE_MOUNT@") { $0.mountPoint = "/api" }.hasPrefix("location = /api {"))
        let tls = Settings.TLS(certificate: "/c", key: "/k", clientAuthority: "/a", clientVerification: .optional)
        let lines = fill("@LISTEN_TLS@ @TLS@") { $0.tls = tls }
        #expect(lines.hasPrefix(" ssl http2 ssl_certificate \"/c\";") && lines.hasSuffix("ssl_verify_client optional;"))
    }

    @Test func `the refusals of nginx have the form and the limits of each API`() {
        let lines = fill("@REFUSALS@").split(separator: "\n")
        let objects = fill("@REFUSED_WEBHOOKS@").split(separator: "\n")
        let eventObjects = fill("@REFUSED_EVENTS@") { $0.events.maximumEventBytes = 4096 }.split(separator: "\n")
        // nginx does not ask for a login in the API of webhooks; events have two limits.
        #expect(lines.count == objects.count + 1 && eventObjects.count == lines.count + 1)
        #expect(
            lines.contains { $0.contains("/413 { return 413 '413: A body may have no more than 26214400 bytes.'") })
        #expect(
            eventObjects.contains {
                $0.contains("/413-event { return 413 '{\"status\": \"413 Content Too Large\", \"message\": \"A body")
                    && $0.contains(" 4096 ")
            })
        #expect(
            objects.contains { $0.contains("{\"error_code\": 1301, \"http_code\": 413,") && $0.contains(" 262144 ") })
        #expect(objects.contains { $0.contains("The request\\'s transfer coding") })
        let page = fill("@REFUSED_PAGE@").split(separator: "location ")
        #expect(page.count == lines.count - 1)
        for location in page where location.contains("add_header") {
            #expect(location.contains("Content-Security-Policy"), "\(location)")
        }
        #expect(page.contains { $0.contains("/405 { add_header Allow \"GET, HEAD\" always; ") })
        #expect(fill("@REFUSED_WEBHOOKS@") { $0.maximumBodyBytes = 2048 }.contains("no more than 2048 bytes"))
    }

    @Test(arguments: [(1, 73), (2, 74), (5, 75), (40, 80)])
    func `each responder is listed several times, so that nginx retries a request`(responders: Int, count: Int) {
        let servers = fill("@SERVERS@") { $0.responders = responders }.split(separator: "\n")
        #expect(servers.count == count)
        #expect(Set(servers.map { $0.drop { $0 == " " } }).count == responders)
    }

    @Test func `the files have no unfilled words, and are written only if they change`() throws {
        try withTemporaryDirectory { directory in
            var settings = Settings()
            settings.dataDirectory = directory
            settings.mountPoint = "/api"
            try Files.makeDirectory(settings.runDirectory, permissions: .ownerReadWriteExecute)
            let files = NginxFiles(settings: settings, templates: Self.templates)
            #expect(try files.write(workerUser: nil))
            #expect(try !files.write(workerUser: nil))
            for name in ["nginx.conf", "upstream.conf", "locations.conf"] {
                let text = String(
                    decoding: try #require(Files.contents(of: settings.runDirectory.appending(name))), as: UTF8.self)
                #expect(!text.contains(/@[A-Z_]+@/), "\(name)")
            }
            let changed = NginxFiles(settings: Settings(), templates: Self.templates)
            #expect(throws: Refusal.self) {
                try NginxFiles(settings: settings, templates: "/nowhere/at/all").write(workerUser: nil)
            }
            #expect(changed.backlog == Settings().maximumConnections)
        }
    }

    @Test func `a template with an unknown word is refused, and no file is written`() throws {
        try withTemporaryDirectory { directory in
            var settings = Settings()
            settings.dataDirectory = directory
            try Files.makeDirectory(settings.runDirectory, permissions: .ownerReadWriteExecute)
            let share = directory.appending("share")
            try Files.makeDirectory(share, permissions: .ownerReadWriteExecute)
            for name in NginxFiles.names { try Files.replace(share.appending(name), with: Array("@RUN@\n".utf8)) }
            try Files.replace(share.appending("operations.conf"), with: Array("@RUN@ @OF_ANOTHER_VERSION@\n".utf8))
            let files = NginxFiles(settings: settings, templates: share)
            #expect { try files.write(workerUser: nil) } throws: {
                "\($0)".contains("@OF_ANOTHER_VERSION@") && "\($0)".contains("operations.conf")
            }
            #expect(!Files.exists(settings.runDirectory.appending("nginx.conf")))
        }
    }

    @Test(
        arguments: [
            ("locations.conf", "INSPECTOR", "inspector.conf", "index.html", "location = /inspect {"),
            ("operations.conf", "OVERVIEW", "overview.conf", "overview.html", "location ^~ /page/ {"),
        ])
    func `a page has its addresses if the inspector is on, and must be installed then`(
        name: String, word: String, part: String, page: String, location: String
    ) throws {
        let text = try NginxFiles(settings: Settings(), templates: Self.templates).filled(name, workerUser: nil)
        #expect(text.contains(location) && !text.contains(/@[A-Z_]+@/))
        #expect(text.contains("/page/\(page)\";"))
        var off = Settings()
        off.hasInspector = false
        try withTemporaryDirectory { directory in
            let share = directory.appending("nginx")
            try Files.makeDirectory(share, permissions: .ownerReadWriteExecute)
            try Files.replace(share.appending(name), with: Array("a @\(word)@ b".utf8))
            try Files.replace(share.appending(part), with: Array("@MOUNT@/inspect".utf8))
            try Files.replace(share.appending("page.conf"), with: Array("@PAGE_START@".utf8))
            func filled(_ settings: Settings) throws -> String {
                try NginxFiles(settings: settings, templates: share).filled(name, workerUser: nil)
            }
            #expect { try filled(Settings()) } throws: {
                "\($0)".contains("\(directory)/page/\(page)") && "\($0)".contains("INSPECTOR=false")
            }
            #expect(try filled(off) == "a  b")
            try Files.makeDirectory(directory.appending("page"), permissions: .ownerReadWriteExecute)
            try Files.replace(directory.appending("page/\(page)"), with: [])
            #expect(try filled(Settings()) == "a /inspect\n\(page) b")
            try Files.replace(share.appending(part), with: Array("@OF_ANOTHER_VERSION@".utf8))
            #expect { try filled(Settings()) } throws: { "\($0)".contains("\(part) has @OF_ANOTHER_VERSION@") }
        }
    }

    @Test func `templates are found beside the program or in the checkout above it`() throws {
        let checkout = Self.templates.removingLastComponent()
        #expect(try NginxFiles.findTemplates(checkout.appending(".build/debug/postroom")) == Self.templates)
        try withTemporaryDirectory { directory in
            let share = directory.appending("share/postroom")
            try Files.makeDirectory(share, permissions: .ownerReadWriteExecute)
            #expect(throws: Refusal.self) { try NginxFiles.findTemplates(directory.appending("bin/postroom")) }
            // The place of the templates in older releases.
            try Files.replace(share.appending("locations.conf"), with: [])
            #expect(throws: Refusal.self) { try NginxFiles.findTemplates(directory.appending("bin/postroom")) }
            try Files.makeDirectory(share.appending("nginx"), permissions: .ownerReadWriteExecute)
            try Files.replace(share.appending("nginx/locations.conf"), with: [])
            #expect(try NginxFiles.findTemplates(directory.appending("bin/postroom")) == share.appending("nginx"))
        }
    }
}
