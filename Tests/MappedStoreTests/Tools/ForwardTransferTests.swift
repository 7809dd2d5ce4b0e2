import Capture
import LMDB
import Storage
import StoreSupport
import Testing
import Values

@testable import MappedStore

/// Forwards in exports, and damaged ones in a store.
@Suite struct ForwardTransferTests {
    private static let moment = Moment(
        wall: Timestamp(iso8601: "2026-11-29T12:00:00Z")!, steady: Timestamp(microseconds: 1 << 50))
    private static let id = String(repeating: "A", count: 32)

    private func endpoint(_ urls: [String]) -> String {
        let list = urls.map { "\"\($0)\"" }.joined(separator: ", ")
        return #"""
            {"kind": "endpoint", "id": "\#(Self.id)", "enabled": true, "subpaths": false, "overflow": "refuse", \#
            "cors": false, "pinned": false, "forwards": [\#(list)], "nextForward": 2000, \#
            "created": "2026-11-29T10:00:00Z", "lastUsed": "2026-11-29T12:00:00Z", "uncollected": 1, "next": 1}
            """#
    }

    private let content = #"""
        {"kind": "forwardContent", "endpoint": "\#(id)", "id": 1, "receivedAt": "2026-11-29T11:30:00Z", \#
        "method": "POST", "path": "", "headers": [], "body": "sent"}
        """#

    private func forward(
        _ number: Int = 1, first: Int = 1, together: Int = 1, url: String = "https://a.test/", state: String = "pending"
    ) -> String {
        #"""
        {"kind": "forward", "endpoint": "\#(Self.id)", "id": \#(number), "notification": 4, "url": "\#(url)", \#
        "standing": false, "first": \#(first), "together": \#(together), "forwardedAt": "2026-11-29T11:40:00Z", \#
        "state": "\#(state)", "attempts": 0, "due": "2026-11-29T12:00:00Z"}
        """#
    }

    /// Runs `body` with a store into which the lines were imported, as lines 2 and so on of an export.
    private func imported(_ lines: [String], _ body: (MappedStore) throws -> Void = { _ in }) throws {
        let schema = MappedStore.schemaVersion
        let head = #"{"kind": "postroom", "schema": \#(schema), "exportedAt": "2026-11-29T12:00:00Z"}"#
        var counts: [Substring: Int] = ["\"postroom\"": 1]
        for line in lines { counts[line.dropFirst(9).prefix { $0 != "," }, default: 0] += 1 }
        let list = counts.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
        let whole = [head] + lines + [#"{"kind": "end", "counts": {\#(list)}}"#]
        try withImport(whole.map { Array($0.utf8) }, at: Self.moment) { store, _ in try body(store) }
    }

    @Test(arguments: [
        (["https://a.test/", "ftp://a.test/"], "forwards[1]: the URL must begin with http:// or https://"),
        (["https://a.test/", "https://a.test/"], "forwards[1]: the URL is in the list already"),
        (["https://a.test/" + String(repeating: "x", count: 2048)], "forwards[0]: the URL has 2063 bytes"),
        ((0..<11).map { "https://a.test/\($0)" }, "forwards: there are 11 URLs; at most 10 are allowed"),
    ])
    func `URLs of standing forwards that a client could not set are not imported`(urls: [String], reason: String) {
        let error = #expect(throws: ImportError.self) { try imported([endpoint(urls)]) }
        #expect(error?.line == 2 && error?.reason.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test func `a forward that a client could not ask for is not imported`() throws {
        for (line, reason) in [
            (forward(url: "a.test"), #""url": the URL must begin with http:// or https://"#),
            (forward(together: 11), #""id", "first" and "together" do not fit"#),
        ] {
            let error = #expect(throws: ImportError.self) { try imported([endpoint([]), content, line]) }
            #expect(error?.line == 4 && error?.reason.contains(reason) == true, "\(error?.description ?? "")")
        }
        let many = (0...1000).map { forward($0 + 1, first: $0 / 10 * 10 + 1, together: 10) }
        let contents = stride(from: 1, through: 1001, by: 10).map {
            content.replacing("\"id\": 1,", with: "\"id\": \($0),")
        }
        let error = #expect(throws: ImportError.self) { try imported([endpoint([])] + contents + many) }
        #expect(error?.line == 2 + 101 + 1001)
        #expect(error?.reason == "more than 1000 forwards of the endpoint are pending")
        // As many as there may be are imported; a URL of a private address is, as other settings may allow it.
        try imported([endpoint(["http://10.0.0.1/"])] + contents.dropLast() + many.dropLast()) { store in
            let metrics = try store.capture.forwardMetrics()
            #expect(metrics.pending == 1000)
        }
    }

    @Test(arguments: ["pending", "failed"])
    func `a flipped bit in the URL of a forward is found`(state: String) throws {
        try imported([endpoint(["https://b.test/"])] + (state == "pending" ? [content] : []) + [forward(state: state)])
        {
            store in
            let table = store.tables.forwardings.bytes
            var records: [(key: [UInt8], value: [UInt8])] = []
            try store.read { (transaction) throws(LMDBError) in
                try table.scan(in: transaction) { key, value in
                    records.append((copy(key), copy(value)))
                    return true
                }
            }
            #expect(records.count == 2)
            let faults = [
                "The record of the forwards of endpoint 1 is damaged.", "Forward 1 of endpoint 1 is damaged.",
            ]
            for ((key, value), fault) in zip(records, faults) {
                let place = try #require(value.firstRange(of: Array("test".utf8))).lowerBound
                var flipped = value
                flipped[place] ^= 2
                for (value, isDamaged) in [(flipped, true), (value, false)] {
                    try store.write { (transaction) throws(LMDBError) in
                        try table.put(value, at: key, in: &transaction)
                    }
                    try store.commit()
                    #expect(try store.check().faults.contains(fault) == isDamaged)
                }
            }
        }
    }
}
