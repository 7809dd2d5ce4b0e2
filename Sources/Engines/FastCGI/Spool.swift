internal import Linux
internal import SystemPackage

/// A file that collects one request: in memory, and on the disk once it is long. Few requests need one; as it is a class, an
/// idle connection stores only a reference.
final class Spool {
    private(set) var file: FileDescriptor
    var scanner = RecordScanner()
    /// Whether the whole request is there.
    var isComplete = false
    /// Where a long request goes; `nil` once it is there, or if it stays in memory.
    private var directory: FilePath?
    private var bytes = 0

    /// The longest request in memory. Many may be collected at a time.
    private static let memoryBytes = 256 << 10

    init(directory: FilePath?) throws(Errno) {
        file = try memoryFile(named: "request")
        self.directory = directory
    }

    deinit { try? file.close() }

    func write(_ part: ArraySlice<UInt8>) throws(Errno) {
        bytes += part.count
        if bytes > Self.memoryBytes, let directory {
            self.directory = nil
            // Without a file it stays in memory.
            if let other = try? Files.unnamed(in: directory) { try move(to: other) }
        }
        try append(part)
    }

    private func move(to other: FileDescriptor) throws(Errno) {
        try rewind()
        let before = file
        defer { try? before.close() }
        file = other
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count: Int
            do { count = try unsafe buffer.withUnsafeMutableBytes { try unsafe before.read(into: $0) } } catch {
                throw error as? Errno ?? .ioError
            }
            guard count > 0 else { return }
            try append(buffer[..<count])
        }
    }

    private func append(_ part: ArraySlice<UInt8>) throws(Errno) {
        do { _ = try file.writeAll(part) } catch { throw error as? Errno ?? .ioError }
    }

    func rewind() throws(Errno) {
        do { _ = try file.seek(offset: 0, from: .start) } catch { throw error as? Errno ?? .ioError }
    }
}
