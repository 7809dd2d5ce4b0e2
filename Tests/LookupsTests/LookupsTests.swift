import Curl
import HTTP
import Linux
import Logging
import SystemPackage
import TestSupport
import Testing
import Values

@testable import Lookups

/// Lookups with a real HTTP service and the real resolver.
@Suite struct LookupsTests {
    private let environment = UUID(bytes: [UInt8](repeating: 7, count: 16))!

    private func lookups(_ url: String?, timeoutSeconds: Double = 20) throws -> Lookups {
        let projects = url.map {
            ProjectManagement(url: $0, userAgent: "Postroom/test", timeoutSeconds: timeoutSeconds)
        }
        return try Lookups(projects: projects, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// Works until a lookup has finished.
    private func work(_ lookups: Lookups) { #expect(holds { lookups.work() }) }

    @Test(arguments: [
        (200, LookupResult.found(true)), (204, .found(true)), (404, .found(false)), (410, .found(false)),
        (301, .unanswered), (401, .unanswered), (500, .unanswered), (503, .unanswered),
    ])
    func `the status of the service decides whether an environment exists`(status: Int, result: LookupResult<Bool>)
        throws
    {
        try withReceiver(["--rule", "/api/*=status=\(status)"]) { receiver in
            let lookups = try lookups("http://127.0.0.1:\(receiver.port)/api/")
            #expect(lookups.environment(environment) == nil)
            #expect(lookups.environment(environment) == nil)
            work(lookups)
            #expect(lookups.environment(environment) == result)
            let arrivals = try receiver.arrivals()
            #expect(arrivals.map(\.method) == ["GET"])
            #expect(arrivals.map(\.path) == ["/api/environments/\(environment)"])
            #expect(arrivals.first?.headers.contains(["User-Agent", "Postroom/test"]) == true)
        }
    }

    @Test func `a lookup is unanswered if the service cannot be reached`() throws {
        for url in ["http://127.0.0.1:1/api", "http://nobody.invalid"] {
            let lookups = try lookups(url, timeoutSeconds: 0.3)
            #expect(lookups.environment(environment) == nil)
            work(lookups)
            #expect(lookups.environment(environment) == .unanswered)
        }
    }

    @Test func `without a service every environment exists`() throws {
        #expect(try lookups(nil).environment(environment) == .found(true))
    }

    @Test func `a name has its addresses, and an unknown name has none`() throws {
        let lookups = try lookups(nil)
        for (name, expected) in [("localhost", "127.0.0.1"), ("nobody.invalid", nil)] {
            guard lookups.addresses(of: name) == nil else {
                Issue.record("\(name) was not looked up")
                continue
            }
            work(lookups)
            guard case .found(let addresses) = lookups.addresses(of: name) else {
                Issue.record("\(name) was not found")
                continue
            }
            if let expected {
                #expect(addresses.map(\.description).contains(expected))
            } else {
                #expect(addresses.isEmpty)
            }
        }
    }

    @Test func `a lookup finds every address of a name, and connects to none`() throws {
        let multi = try Multi(connectionsPerHost: 0, idleSeconds: 1, dnsSeconds: 1)
        let addresses = ["10.0.0.1", "fd00::1", "93.184.216.34", "fd00::2", "127.0.0.1"].compactMap(IPAddress.init)
        multi.setAddresses(addresses, ofHost: "many.test", port: 80)
        let lookup = NameLookup()
        try multi.start(lookup.request("many.test"), token: 1)
        var results: [Exchange] = []
        _ = try holds {
            results += try multi.wait(milliseconds: 100).map(\.result)
            return !results.isEmpty
        }
        #expect(Set(lookup.addresses) == Set(addresses))
        let result = try #require(results.first)
        guard case .failure(.blocked, _) = result.outcome else {
            Issue.record("connected: \(result)")
            return
        }
    }

    @Test func `at most 32 names are looked up at a time`() throws {
        let lookups = try lookups(nil)
        for number in 0..<32 {
            guard lookups.addresses(of: "name\(number).invalid") == nil else {
                Issue.record("refused after \(number) lookups")
                return
            }
        }
        guard case .tooMany = lookups.addresses(of: "one-more.invalid") else {
            Issue.record("one more lookup was begun")
            return
        }
        #expect(
            holds {
                _ = lookups.work()
                guard lookups.addresses(of: "one-more.invalid") == nil else { return false }
                return true
            })
    }
}
