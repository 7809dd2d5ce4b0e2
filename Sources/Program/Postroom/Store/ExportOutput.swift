internal import HTTP
internal import Linux
internal import PostroomService
internal import Storage
internal import SystemPackage
internal import Values

/// Where an export is written.
///
/// An export sees the store as of one moment. Until it has read all of it, no page of that moment can be used again, and the
/// store's file grows. A pipe may be read slowly, or not at all: an export to one is written to a temporary file, and sent once
/// the store is closed.
struct ExportOutput {
    private let target: FileDescriptor
    /// `nil` if the target is a file.
    private let temporary: FileDescriptor?
    private let directory: FilePath

    /// The room that an export leaves on the disk of its temporary file: the store may be on the same disk.
    private static let freeBytes = 64 << 20
    private static let portionBytes = 1 << 20

    /// - Parameter environment: TMPDIR names the directory of the temporary file.
    init(_ target: FileDescriptor, _ environment: [String: String] = Machine.environment()) throws(Refusal) {
        self.target = target
        directory = FilePath(environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/var/tmp")
        guard !Files.isRegular(target) else {
            temporary = nil
            return
        }
        do throws(Errno) { temporary = try Files.openTemporary(in: directory) } catch {
            throw Refusal("cannot create a temporary file in \(directory): \(error). \(Self.remedy)")
        }
    }

    private static let remedy = """
        An export to a pipe is first written to a temporary file: set TMPDIR to a directory with more room, or write the \
        export to a file
        """

    /// Writes a part of the export.
    func write(_ bytes: [UInt8]) throws(Refusal) {
        guard let temporary else { return try put(bytes, to: target) }
        guard Files.freeBytes(of: directory) ?? .max >= Self.freeBytes + bytes.count else {
            throw Refusal("\(directory) has no room for the export. \(Self.remedy)")
        }
        do { _ = try temporary.writeAll(bytes) } catch {
            throw Refusal("cannot write the export to a temporary file in \(directory): \(error). \(Self.remedy)")
        }
    }

    /// Sends what was written to a temporary file.
    func send() throws(Refusal) {
        guard let temporary else { return }
        var offset = 0
        while true {
            let bytes: [UInt8]
            do throws(Errno) { bytes = try Files.read(Self.portionBytes, of: temporary, at: offset) } catch {
                throw Refusal("cannot read the temporary file of the export: \(error)")
            }
            guard !bytes.isEmpty else { return }
            try put(bytes, to: target)
            offset += bytes.count
        }
    }

    private func put(_ bytes: [UInt8], to output: FileDescriptor) throws(Refusal) {
        do { _ = try output.writeAll(bytes) } catch { throw Refusal("cannot write the export: \(error)") }
    }
}

extension StorageEngine {
    /// Writes an export.
    func export(to output: ExportOutput, leavingOut leaveOut: ((String) -> Void)? = nil) async throws {
        var buffer: [UInt8] = []
        var failure: Refusal?
        func flush() {
            do throws(Refusal) { try output.write(buffer) } catch { failure = failure ?? error }
            buffer.removeAll(keepingCapacity: true)
        }
        try await export(at: clock.now(), leavingOut: leaveOut) { line in
            guard failure == nil else { return }
            buffer += line
            buffer.append(UInt8(ascii: "\n"))
            if buffer.count >= 1 << 20 { flush() }
        }
        if failure == nil { flush() }
        if let failure { throw failure }
        // A crash of the machine must not undo what a backup has.
        try self.flush()
    }
}
