internal import Linux
internal import SystemPackage

/// A file that collects one request: in memory, and on the disk once it is long. Few requests need one; as it is a class, an
/// idle connection stores only a reference.
final class Spool {
    private(set) var file: FileDescriptor
    var scanner = RecordScanner()
    /// Whether the whole request is there.
    var isComplete = false
    /// Whether bytes of the request could not be kept. Then none are.
    private(set) var isBroken = false
    /// Where a long request goes; `nil` once it is there, or if it stays in memory.
    private var directory: FilePath?
    /// Where the file is; `nil` while it is in memory.
    private var disk: FilePath?
    private let spareBytes: Int
    private var bytes = 0
    /// For how long a request there was room when the disk was last asked.
    private var admittedBytes = 0

    /// The longest request in memory. Many may be collected at a time.
    private static let memoryBytes = 256 << 10
    private static let stepBytes = 1 << 20

    /// - Parameter spareBytes: how much of the disk is left free, as the store may be on it.
    init(directory: FilePath?, spareBytes: Int = 64 << 20) throws(Errno) {
        file = try memoryFile(named: "request")
        self.directory = directory
        self.spareBytes = spareBytes
    }

    deinit { try? file.close() }

    /// Adds bytes, or discards them if there is no room for them.
    func write(_ part: ArraySlice<UInt8>) {
        guard !isBroken else { return }
        do throws(Errno) { try put(part) } catch {
            isBroken = true
            try? file.resize(to: 0)
        }
    }

    private func put(_ part: ArraySlice<UInt8>) throws(Errno) {
        bytes += part.count
        if bytes > Self.memoryBytes, let directory {
            self.directory = nil
            // Without a file it stays in memory.
            if let other = try? Files.unnamed(in: directory) {
                disk = directory
                try move(to: other)
            }
        }
        if disk != nil, bytes > admittedBytes { try admit() }
        try append(part)
    }

    private func admit() throws(Errno) {
        admittedBytes = bytes + Self.stepBytes
        guard let disk, Files.freeBytes(of: disk) ?? .max >= spareBytes + Self.stepBytes else { throw .noSpace }
    }

    private func move(to other: FileDescriptor) throws(Errno) {
        try rewind()
        let before = file
        defer { try? before.close() }
        file = other
        try admit()
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
