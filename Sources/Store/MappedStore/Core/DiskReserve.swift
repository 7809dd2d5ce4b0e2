internal import LMDB
internal import Linux
internal import SystemPackage

/// Keeps disk blocks ahead of the file's end, so that a disk that fills up stops what needs more room and nothing else.
///
/// Whatever frees room must write a few pages first. They come from a reserve that notifications may not touch: blocks
/// are reserved before a transaction may grow the file into them, and the last `bytes` of them are left alone.
struct DiskReserve {
    /// What is left to transactions that free room. They write some ten pages each, and give back more.
    static let bytes = 1 << 20
    /// What is left, beside that, to attempts that are over: what came in before has the room to be delivered.
    static let deliveryBytes = 2 << 20
    /// Blocks are reserved in steps this large, while the disk has them.
    private static let step = 4 << 20

    private let file: FileDescriptor
    private var reservedEnd: Int

    /// - Parameter path: the store's file, which is there already.
    init(_ path: FilePath, environment: Environment) throws(Errno) {
        file = try Files.open(path, .readWrite)
        reservedEnd = 0
        _ = reserve(to: environment.usedBytes + Self.bytes, atMost: environment.mapBytes)
    }

    func close() { try? file.close() }

    /// Whether the file may grow by so many bytes and leave the reserve untouched.
    mutating func admits(_ growth: Int, _ environment: Environment) -> Bool {
        let end = environment.usedBytes + growth + Self.bytes
        return end <= environment.mapBytes && (end <= reservedEnd || reserve(to: end, atMost: environment.mapBytes))
    }

    /// What is left of the reserve.
    func left(_ environment: Environment) -> Int { min(reservedEnd, environment.mapBytes) - environment.usedBytes }

    private mutating func reserve(to end: Int, atMost limit: Int) -> Bool {
        for target in [min(end + Self.step, limit), end] {
            do throws(Errno) {
                try Files.reserve(file, from: reservedEnd, to: target)
                reservedEnd = max(reservedEnd, target)
                return true
            } catch .noSpace, .diskQuotaExceeded, .fileTooLarge {
                continue
            } catch {
                // The file system cannot reserve: then nothing is held back, and a full disk fails whole transactions.
                reservedEnd = .max
                return true
            }
        }
        return false
    }
}
