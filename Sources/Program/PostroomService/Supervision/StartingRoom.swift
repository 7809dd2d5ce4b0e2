internal import Linux
internal import SystemPackage

/// A file that reserves some blocks of the disk, both while the service runs and while it is stopped. A start frees them: it
/// writes a few small files, nginx's own among them, and the disk may be full.
package struct StartingRoom {
    private let path: FilePath
    private static let bytes = 512 << 10
    private static let blockBytes = 4 << 10

    package init(_ settings: Settings) { path = settings.runDirectory.appending("room") }

    package func release() { try? Files.remove(path) }

    /// Reserves the blocks again, or as many as there are: the disk may still be full, and this start has hardly used any.
    package func hold() {
        for bytes in stride(from: Self.bytes, to: 0, by: -Self.blockBytes) {
            do throws(Errno) {
                return try Files.replace(path, with: [UInt8](repeating: 0, count: bytes))
            } catch {
                guard error == .noSpace || error == .diskQuotaExceeded else { return }
            }
        }
    }
}
