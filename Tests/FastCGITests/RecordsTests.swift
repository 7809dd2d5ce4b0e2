import Testing

@testable import FastCGI

@Suite struct RecordsTests {
    @Test(arguments: [0, 1, 7, 8, 65_527, 65_528, 65_529, 200_000])
    func `output is split into records of a multiple of eight bytes`(count: Int) {
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        var bytes: [UInt8] = []
        Records.appendOutput(content[...], requestID: 258, to: &bytes)
        #expect(bytes.count % 8 == 0)
        var found: [UInt8] = []
        var rest = bytes[...]
        while rest.count >= 8 {
            let head = Array(rest.prefix(8))
            #expect(Array(head[..<4]) == [1, 6, 1, 2])
            let length = Int(head[4]) << 8 | Int(head[5])
            found += rest.dropFirst(8).prefix(length)
            rest = rest.dropFirst(8 + length + Int(head[6]))
        }
        #expect(found == content && rest.isEmpty)
    }

    @Test func `each requested value is given once, and unknown ones are left out`() {
        let asked = ["FCGI_MPXS_CONNS", "FCGI_MAX_CONNS", "FCGI_MPXS_CONNS", "NO_SUCH", ""].flatMap {
            Wire.pair($0, "")
        }
        let answer = Records.answer(toManagement: 9, asked)
        let found = Wire.pair("FCGI_MAX_CONNS", "10000") + Wire.pair("FCGI_MPXS_CONNS", "0")
        #expect(Array(answer[..<4]) == [1, 10, 0, 0])
        #expect(Int(answer[5]) == found.count)
        #expect(Array(answer[8...]).sorted() == found.sorted())
    }

    @Test func `a long list of the same name has a short answer`() {
        let asked = (0..<3000).flatMap { _ in Wire.pair("FCGI_MAX_REQS", "") }
        #expect(Records.answer(toManagement: 9, asked).count == 8 + Wire.pair("FCGI_MAX_REQS", "10000").count)
    }

    @Test(arguments: [0, 5, 8, 10, 11, 255])
    func `an unknown type is named in the answer`(type: UInt8) {
        #expect(Records.answer(toManagement: type, [1]) == Wire.record(11, 0, [type, 0, 0, 0, 0, 0, 0, 0]))
    }

    @Test(
        arguments: [
            ([], []), ([1], []), ([1, 0], []), ([1, 0, 65], ["A"]), ([1, 1, 65], []), ([1, 1, 65, 66], ["A"]),
            ([0x80, 0, 0, 1, 0, 65], ["A"]), ([0x80, 0, 0], []),
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 65], []),
            ([1, 0, 65, 5, 0, 66], ["A"]), ([0, 0], [""]),
        ] as [([UInt8], [String])])
    func `a truncated list of pairs gives its complete pairs`(content: [UInt8], names: [String]) {
        #expect(Records.names(inPairs: content) == names)
    }
}
