internal import Linux
internal import SystemPackage

/// A file that reserves some blocks of the disk, both while the service runs and while it is stopped. A start frees them: it
/// writes a few small files, nginx's own among them, and the disk may be full.
struct StartingRoom {
    private let path: FilePath
    private static let bytes = 128 << 10

    init(_ settings: Settings) { path = settings.runDirectory.appending("room") }

    func release() { try? Files.remove(path) }

    /// Reserves the blocks again. If the disk is full, the next start has to do without them.
    func hold() { try? Files.replace(path, with: [UInt8](repeating: 0, count: Self.bytes)) }
}
