internal import LMDB

/// What a checkpoint writes to the journal: a state of the store that is on the disk as a whole, and where the journal
/// continues from it.
///
/// Two slots at the start of the journal take turns, so that one of them is valid whatever happens during a write.
struct CheckpointRecord: Equatable {
    /// Numbers the checkpoints. The slot with the higher one counts.
    var sequence: UInt64
    /// The id of the transaction whose state it is.
    var transaction: UInt64
    /// Where the frame of the next transaction may be, and the checksum of the frame before.
    var end: JournalEnd
    /// The number in all frames that belong to this record. Whenever the store is opened by a process alone, there is a new
    /// one, and the store's link has the same.
    var salt: UInt64
    /// The number before it: the store's link may still have it after a crash.
    var formerSalt: UInt64
    /// The size of the journal's part for frames.
    var journalBytes: Int
    /// Whether commits have frames.
    var isJournaled: Bool
    /// The start of the machine (`Machine.bootID`).
    var bootID: String
    /// The store's meta page at that transaction (`MetaPage`).
    var meta: [UInt8]

    /// The distance of the slots, and so the most bytes of one.
    static let slotBytes = 4096
    private static let magic: UInt64 = 0x504f_5354_434b_5031

    var encoded: [UInt8] {
        var writer = ByteWriter(reserving: 512)
        writer.fixed(Self.magic)
        for number in [sequence, transaction, end.position, UInt64(end.checksum), salt, formerSalt] {
            writer.fixed(number)
        }
        writer.fixed(UInt64(journalBytes))
        writer.byte(isJournaled ? 1 : 0)
        writer.counted(bootID.utf8.prefix(256))
        writer.counted(meta)
        let bytes = writer.bytes
        var whole = ByteWriter(reserving: bytes.count + 8)
        whole.fixed(UInt64(bytes.count))
        whole.rest(bytes)
        whole.seal()
        return whole.bytes
    }
}

extension CheckpointRecord {
    /// `nil` if the slot has no valid record.
    init?(slot: [UInt8]) {
        var outer = ByteReader(slot)
        guard let count = outer.fixed(), count <= UInt64(Self.slotBytes - 12), slot.count >= Int(count) + 12 else {
            return nil
        }
        let sealed = Array(slot.prefix(Int(count) + 12))
        guard isIntact(sealed) else { return nil }
        var reader = ByteReader(Array(sealed[8..<8 + Int(count)]))
        guard reader.fixed() == Self.magic, let sequence = reader.fixed(), let transaction = reader.fixed(),
            let position = reader.fixed(), let checksum = reader.fixed(), let salt = reader.fixed(),
            let formerSalt = reader.fixed(), let size = reader.fixed(), let journaled = reader.byte(),
            let bootID = reader.text(), let meta = reader.counted(),
            reader.isAtEnd, MetaPage.isValid(meta), MetaPage.transaction(meta) == transaction, size < 1 << 40
        else { return nil }
        self.init(
            sequence: sequence, transaction: transaction,
            end: JournalEnd(position: position, checksum: UInt32(truncatingIfNeeded: checksum)), salt: salt,
            formerSalt: formerSalt,
            journalBytes: Int(size),
            isJournaled: journaled != 0, bootID: bootID, meta: meta)
    }
}
