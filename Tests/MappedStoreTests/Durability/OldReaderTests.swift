import Testing

@testable import MappedStore

@Suite struct OldReaderTests {
    @Test(arguments: [(1, 0), (4_194_304, 1024), (77, 16 << 30), (77, 1 << 49)])
    func `a reader and what it keeps are one number`(processID: Int32, bytes: Int) {
        let reader = OldReader(processID: processID, bytes: bytes)
        #expect(OldReader(packed: reader.packed) == reader)
    }

    @Test func `bytes are rounded down, and bounded`() throws {
        #expect(OldReader(packed: OldReader(processID: 5, bytes: 5000).packed) == OldReader(processID: 5, bytes: 4096))
        let most = try #require(OldReader(packed: OldReader(processID: 5, bytes: .max).packed))
        #expect(most.processID == 5 && most.bytes == (1 << 40 - 1) * 1024)
        #expect(OldReader(packed: 0) == nil)
    }
}
