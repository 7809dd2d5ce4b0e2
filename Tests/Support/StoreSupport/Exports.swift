internal import HTTP
package import MappedStore
package import Storage
internal import TestSupport
internal import Testing
package import Values

/// The lines of a store's export.
package func export(_ store: MappedStore, at moment: Moment) throws -> [[UInt8]] {
    var lines: [[UInt8]] = []
    try store.export(at: moment) { lines.append($0) }
    return lines
}

/// Runs `body` with a new store into which the lines were imported.
package func withImport(
    _ lines: [[UInt8]], at moment: Moment, _ body: (MappedStore, ImportCounts) throws -> Void
) throws {
    try withTemporaryDirectory { directory in
        let store = try MappedStore(
            directory: directory, MappedStore.Options(maximumBytes: 64 << 20, isDurable: false))
        var rest = lines[...]
        let counts = try store.import(at: moment) { () throws(ImportError) in rest.popFirst() }
        #expect(try store.check().faults == [])
        try body(store, counts)
    }
}
