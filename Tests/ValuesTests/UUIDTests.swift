import Testing

@testable import Values

@Suite struct UUIDTests {
    /// RFC 9562, appendix A and sections 5.9 and 5.10.
    @Test(
        arguments: [
            (
                "919108f7-52d1-4320-9bac-f847db4148a8",
                [0x91, 0x91, 0x08, 0xf7, 0x52, 0xd1, 0x43, 0x20, 0x9b, 0xac, 0xf8, 0x47, 0xdb, 0x41, 0x48, 0xa8]
            ),
            (
                "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
                [0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0, 0x7c, 0xc3, 0x98, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]
            ),
            ("00000000-0000-0000-0000-000000000000", [UInt8](repeating: 0, count: 16)),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", [UInt8](repeating: 0xff, count: 16)),
        ] as [(String, [UInt8])])
    func `a UUID is read in any letter case, and written in lower case`(text: String, bytes: [UInt8]) throws {
        let id = try #require(UUID(text))
        #expect(id.bytes == bytes && id.description == text)
        #expect(UUID(text.uppercased()) == id && UUID(bytes: bytes) == id)
        #expect(UUID("x\(text)".dropFirst()) == id)
    }

    @Test(arguments: [
        "", "919108f7-52d1-4320-9bac-f847db4148a", "919108f7-52d1-4320-9bac-f847db4148a80",
        "919108f752d143209bacf847db4148a8", "{919108f7-52d1-4320-9bac-f847db4148a8}",
        "urn:uuid:919108f7-52d1-4320-9bac-f847db4148a8", "919108f7-52d1-4320-9bac-f847db4148ag",
        "919108f75-2d1-4320-9bac-f847db4148a8", "919108f7-52d1-4320-9bac+f847db4148a8",
        "919108f7-52d1-4320-9bac-f847db4148 8", " 19108f7-52d1-4320-9bac-f847db4148a8",
        "919108f7-52d1-4320-9bac-f847db4148\u{e9}", "-19108f7-52d1-4320-9bac-f847db4148a8",
        "919108f7-52d1-4320-9bac-f847db4148a\0",
    ])
    func `a text that is not a UUID is refused`(text: String) {
        #expect(UUID(text) == nil)
    }

    @Test(arguments: [0, 15, 17])
    func `a UUID needs exactly 16 bytes`(count: Int) {
        #expect(UUID(bytes: [UInt8](repeating: 1, count: count)) == nil)
    }

    @Test func `random UUIDs are of version 4, and differ`() throws {
        var random = SystemRandomNumberGenerator()
        let ids = (0..<1000).map { _ in UUID(random: &random) }
        #expect(Set(ids).count == 1000)
        for id in ids {
            #expect(id.bytes[6] >> 4 == 4 && id.bytes[8] >> 6 == 2)
            #expect(UUID(id.description) == id)
        }
        // Each of the other bits is set in some of them and clear in others.
        let (all, some) = ids.reduce(([UInt8](repeating: 0xff, count: 16), [UInt8](repeating: 0, count: 16))) {
            bits, id in
            (zip(bits.0, id.bytes).map { $0 & $1 }, zip(bits.1, id.bytes).map { $0 | $1 })
        }
        #expect(UUID(bytes: all)?.description == "00000000-0000-4000-8000-000000000000")
        #expect(UUID(bytes: some)?.description == "ffffffff-ffff-4fff-bfff-ffffffffffff")
    }

    @Test func `UUIDs are ordered like their texts`() {
        var random = SystemRandomNumberGenerator()
        let ids = (0..<100).map { _ in UUID(random: &random) }
        #expect(ids.sorted().map(\.description) == ids.map(\.description).sorted())
    }
}
