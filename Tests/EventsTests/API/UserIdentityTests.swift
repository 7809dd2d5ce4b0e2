import HTTP
import HTTPTypes
import Testing

@testable import Events

@Suite struct UserIdentityTests {
    private func user(
        _ source: EventSettings.UserSource, header: [UInt8]? = nil, named: String = "Http-Remote-User",
        checked: String? = nil
    ) throws(EventError) -> String {
        var settings = EventSettings(version: "1")
        settings.userSource = source
        var list = FieldList()
        if let header { list.append(name: named.utf8, value: header) }
        let target = Target(raw: Array("/eventmatch".utf8)[...], mountPoint: [])
        return try settings.user(
            of: Request(method: .get, target: target, fields: list, body: .whole([]), user: checked))
    }

    @Test(
        arguments: [
            ("x", "x"), ("  x y\t", "x y"), ("", ""), (" ", ""), ("X", "X"), ("é", "é"), ("a/b", "a/b"),
            ("...", "..."),
        ])
    func `the header names the user if it is trusted`(value: String, wanted: String) throws {
        #expect(try user(.header, header: Array(value.utf8)) == wanted)
        #expect(try user(.header, header: Array(value.utf8), named: "HTTP-REMOTE-USER") == wanted)
        #expect(try user(.none, header: Array(value.utf8)) == "default_user")
    }

    @Test func `without the header the user is the default user`() throws {
        #expect(try user(.header) == "default_user")
        #expect(try user(.header, header: [], named: "Other") == "default_user")
        #expect(try user(.none, checked: "x") == "default_user")
    }

    @Test(arguments: [EventSettings.UserSource.basic, .certificate])
    func `the user that nginx has checked counts, and the header does not`(source: EventSettings.UserSource) throws {
        #expect(try user(source, header: Array("other".utf8), checked: "x") == "x")
        for checked in [nil, ""] as [String?] {
            do throws(EventError) {
                _ = try user(source, header: Array("other".utf8), checked: checked)
                Issue.record("accepted")
            } catch {
                #expect(error.status == .forbidden)
            }
        }
    }

    @Test(arguments: [Array(".".utf8), Array(" .. ".utf8), [0xff], [0xc3], [UInt8](repeating: 97, count: 256)])
    func `a name that is a dot segment, too long or not UTF-8 is refused`(name: [UInt8]) {
        #expect(fault { () throws(EventError) in try user(.header, header: name) } != nil)
    }

    @Test func `a name has at most 255 bytes`() throws {
        #expect(try user(.header, header: [UInt8](repeating: 97, count: 255)).utf8.count == 255)
    }
}
