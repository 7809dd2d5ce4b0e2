import Linux
import SystemPackage
import TestSupport
import Testing

@testable import FastCGI

@Suite struct LibraryRequestTests {
    @Test func `libfcgi leaves the descriptor open, also where it refuses the request`() async {
        await #expect(processExitsWith: .success) {
            LibraryRequest.prepareLibrary()
            let library = LibraryRequest()
            for content in [Wire.pair("REQUEST_METHOD", "GET"), [5, 5, 65]] {
                let file = try memoryFile(named: "request")
                try file.writeAll(Wire.begin() + Wire.record(4, 1, content) + Wire.record(4) + Wire.record(5))
                try file.seek(offset: 0, from: .start)
                let found = library.read(from: file, RequestOutline(id: 1, role: 1), bodyIsThere: true)
                #expect((found == nil) == (content.count == 3))
                try file.close()
            }
        }
    }
}
