import Curl
import Linux
import SystemPackage
import TestSupport
import Testing
import Values

@Suite struct SecureTests {
    /// Runs `body` with the files of a self-signed certificate for localhost and 127.0.0.1, and of its key.
    private func withCertificate(_ body: (FilePath, FilePath) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let (certificate, key) = (directory.appending("certificate.pem"), directory.appending("key.pem"))
            let ending = try runProgram(
                "openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-keyout", key.string, "-out", certificate.string, "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                ])
            try #require(ending == .exited(0))
            try body(certificate, key)
        }
    }

    @Test func `a certificate must be trusted, and match the host`() throws {
        try withCertificate { certificate, key in
            try withReceiver(["--tls-cert", certificate.string, "--tls-key", key.string]) { receiver in
                let url = "https://127.0.0.1:\(receiver.port)/"
                let multi = try Multi.forTests(authorities: certificate)
                let trusted = try multi.send(.to(url))
                #expect(trusted.status == 200 && trusted.httpVersion == .http11, "\(trusted)")
                #expect(try multi.send(.to(url)).isReusedConnection)
                #expect(try multi.send(.to("HTTPS://localhost:\(receiver.port)/")).status == 200)

                multi.setAddresses([try #require(IPAddress("127.0.0.1"))], ofHost: "other.test", port: receiver.port)
                let wrongName = try multi.send(.to("https://other.test:\(receiver.port)/"))
                #expect(wrongName.kind == .tls, "\(wrongName)")
                let untrusted = try Multi.forTests().send(.to(url))
                #expect(untrusted.kind == .tls, "\(untrusted)")
                #expect(try receiver.arrivals().count == 3)
            }
            let server = try TCPServer(["HTTP/1.1 400 No TLS\r\n\r\n"])
            let plain = try Multi.forTests().send(.to("https://127.0.0.1:\(server.port)/"))
            #expect(plain.kind == .tls, "\(plain)")
            server.stop()
        }
    }

    /// Runs `body` with the port of an nginx that uses TLS, and the file of its certificate.
    private func withNginx(_ options: String, _ directives: String = "", _ body: (Int, FilePath) throws -> Void) throws
    {
        try withCertificate { certificate, key in
            let directory = certificate.removingLastComponent()
            let port = try freePort()
            let configuration = """
                daemon off;
                master_process off;
                pid nginx.pid;
                error_log stderr;
                events { worker_connections 1024; }
                http {
                    log_format plain "$server_protocol $uri";
                    access_log \(directory)/requests plain;
                    client_body_temp_path body;
                    fastcgi_temp_path fastcgi; proxy_temp_path proxy; scgi_temp_path scgi; uwsgi_temp_path uwsgi;
                    server {
                        listen 127.0.0.1:\(port) ssl \(options);
                        ssl_certificate \(certificate);
                        ssl_certificate_key \(key);
                        \(directives)
                        # Otherwise nginx resets a stream whose body it has not read, and libcurl 7.88 may fail the request then.
                        lingering_close always;
                        location / {
                            add_header X-Method $request_method;
                            return 200 $connection;
                        }
                        location /dropped { return 444; }
                    }
                }
                """
            let file = directory.appending("nginx.conf")
            try Files.create(file, with: Array(configuration.utf8))
            try withProgram("nginx", ["-p", directory.string, "-c", file.string, "-e", "stderr"]) { _ in
                let multi = try Multi.forTests(authorities: certificate)
                try #require(try holds { try multi.send(.to("https://localhost:\(port)/")).status == 200 })
                try body(port, certificate)
            }
        }
    }

    @Test func `a receiver with HTTP/2 gets many requests on one connection`() throws {
        try withNginx("http2") { port, certificate in
            let multi = try Multi.forTests(authorities: certificate)
            for token in 0..<50 as Range<UInt64> {
                try multi.start(.to("https://localhost:\(port)/", method: "PATCH"), token: token)
            }
            let results = try multi.results()
            let others = results.values.filter { $0.status != 200 || $0.httpVersion != .http2 }
            #expect(others.map { "\($0)" } == [])
            #expect(results.values.allSatisfy { $0.headers.contains("x-method: PATCH") })
            #expect(Set(results.values.map(\.body)).count == 1)
            #expect(results.values.count { $0.isReusedConnection } == 49)

            // A dropped request is not repeated, on a new connection or a reused one.
            for _ in 0..<3 { #expect(try multi.send(.to("https://localhost:\(port)/dropped")).kind == .reset) }
            let requests = certificate.removingLastComponent().appending("requests")
            let dropped = String(decoding: Files.contents(of: requests) ?? [], as: UTF8.self).split(separator: "\n")
                .filter { $0.contains("dropped") }
            #expect(dropped == Array(repeating: "HTTP/2.0 /dropped", count: 3))

            var blocked = Outgoing.to("https://localhost:\(port)/")
            blocked.mayConnect = { _ in false }
            #expect(try multi.send(blocked).kind == .blocked)
        }
    }

    @Test(arguments: ["http2", ""])
    func `no request fails when a receiver closes a connection gracefully`(options: String) throws {
        try withNginx(options, "keepalive_requests 40;") { port, certificate in
            let multi = try Multi.forTests(authorities: certificate)
            var all: [Exchange] = []
            for token in 0..<300 as Range<UInt64> {
                try multi.start(.to("https://localhost:\(port)/"), token: token)
                guard multi.inFlight > 5 else { continue }
                all += try multi.wait(milliseconds: 1000).map(\.result)
            }
            all += try multi.results().values
            #expect(all.count == 300)
            #expect(all.filter { $0.status != 200 }.map(\.outcome).isEmpty)
        }
    }
}
