internal import Linux
internal import SystemPackage

/// A file that holds some blocks of the disk while the service runs and while it is stopped, and gives them up for a start:
/// a few small files are written then, nginx's own among them, and the disk may be full.
struct StartingRoom {
    private let path: FilePath
    private static let bytes = 128 << 10

    init(_ settings: Settings) { path = settings.runDirectory.appending("room") }

    func release() { try? Files.remove(path) }

    /// Takes the blocks again. Where there are none, the next start has to do without.
    func hold() { try? Files.replace(path, with: [UInt8](repeating: 0, count: Self.bytes)) }
}
