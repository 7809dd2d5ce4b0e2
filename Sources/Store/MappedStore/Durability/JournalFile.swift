internal import Linux
internal import SystemPackage

/// The file `journal`: two slots for the records of checkpoints, then a ring of frames.
///
/// Positions count the bytes of all laps: the frame at position p is at byte p mod `bytes` of the ring. No frame goes over
/// the ring's end; one that does not fit there begins the next lap. The file has its full size, written with zeros, before
/// the first frame, so that a sync has no metadata to write.
struct JournalFile: Sendable {
    let path: FilePath
    let file: FileDescriptor
    private static let ringOffset = 2 * CheckpointRecord.slotBytes
    /// Room that the journal leaves on the disk for the store.
    private static let freeBytes = 8 << 20

    static func path(in directory: FilePath) -> FilePath { directory.appending("journal") }

    /// Opens the file; `nil` if there is none.
    init?(in directory: FilePath) throws(Errno) {
        path = Self.path(in: directory)
        guard Files.exists(path) else { return nil }
        file = try Files.open(path, .readWrite)
    }

    /// Opens the file, or creates one, and gives it its full size. A file that is larger keeps its size.
    /// - Parameter bytes: the size of the ring.
    init(in directory: FilePath, bytes: Int) throws(Errno) {
        path = Self.path(in: directory)
        file = try Files.open(path, .readWrite, [.create, .closeOnExec], [.ownerReadWrite, .groupRead])
        do throws(Errno) {
            try fill(to: Self.ringOffset + bytes)
        } catch {
            try? file.close()
            throw error
        }
    }

    private func fill(to end: Int) throws(Errno) {
        var size = Files.size(of: path)
        guard size < end else { return }
        let before = size
        let isSmall = end <= Self.ringOffset
        guard isSmall || Files.freeBytes(of: path) ?? .max >= end - size + Self.freeBytes else { throw .noSpace }
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        do throws(Errno) {
            while size < end {
                let count = min(zeros.count, end - size)
                try Files.write(count == zeros.count ? zeros : Array(zeros[..<count]), to: file, at: size)
                size += count
            }
            try Files.synchronizeData(file)
        } catch {
            // A part of it would only take room from the store.
            try? Files.truncate(file, to: before)
            throw error
        }
    }

    func close() { try? file.close() }

    func sync() throws(Errno) { try Files.synchronizeData(file) }

    // MARK: Records

    /// The record of the last checkpoint; `nil` if neither slot has a valid one.
    func record() throws(Errno) -> CheckpointRecord? {
        var records: [CheckpointRecord] = []
        for slot in 0..<2 {
            let bytes = try Files.read(
                CheckpointRecord.slotBytes, of: file, at: slot * CheckpointRecord.slotBytes)
            if let record = CheckpointRecord(slot: bytes) { records.append(record) }
        }
        return records.max { $0.sequence < $1.sequence }
    }

    /// Writes a record, and waits until it is on the disk. The record before it stays.
    func write(_ record: CheckpointRecord) throws(Errno) {
        try Files.write(record.encoded, to: file, at: Int(record.sequence & 1) * CheckpointRecord.slotBytes)
        try sync()
    }

    // MARK: Frames

    /// Where a frame goes.
    /// - Parameters:
    ///   - end: where the journal ends.
    ///   - ring: the size of the ring.
    static func position(for count: Int, after end: UInt64, ring: Int) -> UInt64 {
        let ring = UInt64(ring)
        return end % ring + UInt64(count) > ring ? (end / ring + 1) * ring : end
    }

    /// Writes a frame. It is on the disk after the next `sync`.
    /// - Parameters:
    ///   - end: where the journal ended before it. If the frame begins a new lap, what is there is overwritten: a frame
    ///     whose transaction was not committed could be taken for this one.
    func write(_ frame: [UInt8], at position: UInt64, after end: UInt64, ring: Int) throws(Errno) {
        if position != end { try erase(at: end, ring: ring) }
        try Files.write(frame, to: file, at: offset(position, ring))
    }

    /// Overwrites the header of a frame that may be at a position.
    func erase(at position: UInt64, ring: Int) throws(Errno) {
        let left = ring - Int(position % UInt64(ring))
        let zeros = [UInt8](repeating: 0, count: min(left, Frame.headerBytes))
        try Files.write(zeros, to: file, at: offset(position, ring))
    }

    /// The content of the frame of a transaction at a position, and the end after it; `nil` if there is no such frame.
    /// - Parameter previous: the checksum of the frame before.
    func frame(
        at position: UInt64, id: UInt64, salt: UInt64, previous: UInt32, ring: Int
    ) throws(Errno) -> (content: ArraySlice<UInt8>, end: JournalEnd)? {
        let left = ring - Int(position % UInt64(ring))
        guard left >= Frame.headerBytes,
            let header = Frame.Header(try Files.read(Frame.headerBytes, of: file, at: offset(position, ring))),
            header.id == id, header.salt == salt, header.previous == previous,
            Frame.headerBytes + header.contentBytes <= left
        else { return nil }
        let count = Frame.headerBytes + header.contentBytes
        let frame = try Files.read(count, of: file, at: offset(position, ring))
        guard let content = Frame.content(frame, header) else { return nil }
        return (content, JournalEnd(position: position + UInt64(count), checksum: header.checksum))
    }

    private func offset(_ position: UInt64, _ ring: Int) -> Int {
        Self.ringOffset + Int(position % UInt64(ring))
    }
}
