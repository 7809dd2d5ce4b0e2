internal import LMDB
internal import Linux
package import SystemPackage

/// Checks of a store's file that do not use LMDB, which trusts the file: reading a truncated file ends the process.
package enum StoreFile {
    /// What to do about a damaged file.
    package static let remedy = "Stop the service and run \"postroom store repair\", or restore a backup."

    /// Compares the file's size with the last page that LMDB says it has.
    ///
    /// If the file system cannot reserve blocks, the last pages may be free and may never have been written. So a file that
    /// is too short is damaged only if reading it fails too.
    /// - Returns: a sentence that says what is wrong; `nil` if nothing is, or the file is missing or empty.
    package static func fault(in directory: FilePath) -> String? {
        let path = MappedStore.file(in: directory)
        let size = Files.size(of: path)
        guard Files.exists(path), size > 0 else { return nil }
        guard let start = Files.start(of: path, limitBytes: 160), let first = MetaPage(start), first.isPossible else {
            return "\(path): the first page is not that of an LMDB file."
        }
        guard size >= 2 * first.pageBytes,
            let second = Files.start(of: path, at: first.pageBytes, limitBytes: 160).flatMap({ MetaPage($0) }),
            second.isPossible
        else { return "\(path): the second page is not that of an LMDB file; the file has \(size) bytes." }
        let newest = first.transaction >= second.transaction ? first : second
        let (end, overflow) = (newest.lastPage &+ 1).multipliedReportingOverflow(by: UInt64(newest.pageBytes))
        guard !overflow, UInt64(size) >= end else {
            return "\(path): the file has \(size) bytes, but its last page ends at byte \(end): it was truncated."
        }
        return nil
    }

    /// The needed fields of LMDB's MDB_meta (mdb.c), which follows a page header of 16 bytes.
    private struct MetaPage {
        let magic: UInt32
        let pageBytes: Int
        let lastPage: UInt64
        let transaction: UInt64

        init?(_ bytes: [UInt8]) {
            guard bytes.count >= 152 else { return nil }
            func number(at offset: Int, bytes count: Int) -> UInt64 {
                bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
            }
            magic = UInt32(number(at: 16, bytes: 4))
            pageBytes = Int(number(at: 40, bytes: 4))
            lastPage = number(at: 136, bytes: 8)
            transaction = number(at: 144, bytes: 8)
        }

        var isPossible: Bool { magic == 0xBEEF_C0DE && (256...65536).contains(pageBytes) }
    }
}
