internal import LMDB
internal import Linux
internal import SystemPackage

/// Reserves disk blocks beyond the file's end, so that a full disk stops only the operations that need more room.
///
/// Operations that free room must write a few pages first. These come from a reserve that notifications may not use: blocks
/// are reserved before a transaction may grow the file into them, and the last `bytes` of them are left alone.
struct DiskReserve {
    /// The reserve for transactions that free room. Each writes some ten pages and frees more.
    static let bytes = 1 << 20
    /// Reserved beside that for recording attempts that have ended: events that were accepted have the room to be
    /// delivered.
    static let deliveryBytes = 2 << 20
    /// Blocks are reserved in steps this large, while the disk has as many again. An attempt that fails takes all the room of
    /// the disk for a moment, so that other programs cannot write.
    private static let step = 4 << 20

    private let path: FilePath
    private let file: FileDescriptor
    private var reservedEnd: Int

    /// - Parameter path: the store's file, which must exist.
    init(_ path: FilePath, environment: Environment) throws(Errno) {
        self.path = path
        file = try Files.open(path, .readWrite)
        reservedEnd = 0
        _ = reserve(to: environment.usedBytes + Self.bytes, atMost: environment.mapBytes)
    }

    func close() { try? file.close() }

    /// Whether the file may grow by so many bytes without using the reserve.
    mutating func admits(_ growth: Int, _ environment: Environment) -> Bool {
        let end = environment.usedBytes + growth + Self.bytes
        return end <= environment.mapBytes && (end <= reservedEnd || reserve(to: end, atMost: environment.mapBytes))
    }

    /// Bytes that are reserved beyond the used part of the file.
    func left(_ environment: Environment) -> Int { min(reservedEnd, environment.mapBytes) - environment.usedBytes }

    private mutating func reserve(to end: Int, atMost limit: Int) -> Bool {
        let ample = min(end + Self.step, limit)
        let hasRoom = Files.freeBytes(of: path) ?? .max >= max(0, ample - reservedEnd) + Self.step
        for target in hasRoom ? [ample, end] : [end] {
            do throws(Errno) {
                try Files.reserve(file, from: reservedEnd, to: target)
                reservedEnd = max(reservedEnd, target)
                return true
            } catch .noSpace, .diskQuotaExceeded, .fileTooLarge {
                continue
            } catch {
                // The file system cannot reserve blocks. Then there is no reserve, and a full disk fails whole
                // transactions.
                reservedEnd = .max
                return true
            }
        }
        return false
    }
}
